"""What an object is made from: what would put a change back is refused with its place, drift is remarked."""

from typing import Any, cast

import pytest

from incidents.changes import LeafChange
from incidents.objects import Kind
from incidents.policy import Answer, Mode, Policy, Verdict
from incidents.proposals import Proposal, SetField
from remediation import Attempt
from remediation.guardrails import Source, View, on_difference
from remediation.guardrails.sources import (
    argo_application,
    argo_source,
    horizontal_autoscaler,
    marked_sources,
    vertical_autoscaler,
)
from remediation.surroundings import Surroundings
from tests.builders import MEMORY_PATH, NOW, deployment, proposal
from tests.clocks import FakeClock
from tests.remediation.conftest import Bench
from tests.remediation.steps import image_change
from tools.cluster.errors import Busy, ClusterError, Forbidden, NotFound
from tools.cluster.reader import Reader
from tools.store import Store

Object = dict[str, Any]
MEMORY = "/spec/template/spec/containers/0/resources/limits/memory"
MEMORY_PROPOSAL = proposal(SetField(path=MEMORY_PATH, expected="128Mi", value="256Mi"))


def marked(*, labels: Object | None = None, annotations: Object | None = None) -> Object:
    found: Object = deployment()
    metadata = {**found["metadata"], "labels": labels or {}, "annotations": annotations or {}}
    return {**found, "metadata": metadata}


def judged(*sources: Source, pointer: str = MEMORY) -> Verdict:
    leaf = LeafChange(pointer=pointer, before="128Mi", after="256Mi")
    view = View(
        policy=Policy(mode=Mode.AUTO),
        proposal=MEMORY_PROPOSAL,
        live=marked(),
        read_generation=1,
        sources=sources,
        now=NOW,
        diff=(leaf,),
    )
    return on_difference(view, Verdict(()))


def application(live: Object, *, heal: bool = False, **automated: Any) -> Object:
    metadata = live["metadata"]
    resource = {"kind": live["kind"], "namespace": metadata["namespace"], "name": metadata["name"]}
    sync = {"automated": {"selfHeal": heal, **automated}}
    source = {"repoURL": "https://ada:secret@git.example/shop.git", "path": "deploy"}
    return {"spec": {"syncPolicy": sync, "source": source}, "status": {"resources": [resource]}}


class TestRules:
    """What the verdict says of a source."""

    def test_what_puts_back_is_refused_with_the_place_where_the_change_belongs(self) -> None:
        verdict = judged(Source(name="Flux Kustomization shop", puts_back=True, advice="in its repository"))
        (ruling,) = [one for one in verdict.objections if one.rule == "put-back"]
        assert ruling.answer is Answer.REFUSE
        assert "in its repository" in ruling.reason

    def test_drift_is_allowed_and_remarked(self) -> None:
        verdict = judged(Source(name="Helm release web", puts_back=False, advice="in its values"))
        assert [ruling.answer for ruling in verdict.remarks] == [Answer.ALLOW]
        assert "in its values" in verdict.remarks[0].reason

    def test_an_autoscaler_objects_only_to_the_fields_that_it_sets(self) -> None:
        source = Source(name="VPA", puts_back=True, advice="there", fields=("/spec/replicas",))
        assert "put-back" not in {ruling.rule for ruling in judged(source).objections}
        assert "put-back" in {ruling.rule for ruling in judged(source, pointer="/spec/replicas").objections}


class TestMarks:
    """Labels and annotations of the tools; they are strangers' text."""

    @pytest.mark.parametrize(
        ("labels", "annotations", "expected"),
        [
            ({}, {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:shop/web"}, ("", "web", True)),
            ({}, {"argocd.argoproj.io/tracking-id": "teams_web:apps/Deployment:shop/web"}, ("teams", "web", True)),
            ({"argocd.argoproj.io/instance": "web"}, {}, ("", "web", True)),
            ({"app.kubernetes.io/instance": "web"}, {}, ("", "web", False)),
            ({"app.kubernetes.io/instance": "web"}, {"meta.helm.sh/release-name": "web"}, ("", "", False)),
            ({}, {}, ("", "", False)),
        ],
    )
    def test_argo_cd_is_known_by_annotation_label_or_perhaps_the_common_label(
        self, labels: Object, annotations: Object, expected: tuple[str, str, bool]
    ) -> None:
        assert argo_application(marked(labels=labels, annotations=annotations)) == expected

    @pytest.mark.parametrize("prefix", ["kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"])
    def test_flux_puts_back_and_is_no_plain_helm_release(self, prefix: str) -> None:
        labels = {f"{prefix}/name": "shop", f"{prefix}/namespace": "flux-system"}
        (source,) = marked_sources(marked(labels=labels, annotations={"meta.helm.sh/release-name": "shop"}))
        assert source.puts_back
        assert "shop in flux-system" in source.name

    def test_a_helm_release_does_not_put_back(self) -> None:
        annotations = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "prod"}
        (source,) = marked_sources(marked(annotations=annotations))
        assert (source.puts_back, source.name) == (False, "Helm release shop")
        assert "values" in source.advice

    def test_text_of_strangers_stays_short_and_on_one_line(self) -> None:
        labels = {"kustomize.toolkit.fluxcd.io/name": "a\x1b[31m\n" + "b" * 5000}
        (source,) = marked_sources(marked(labels=labels))
        assert len(source.name) < 400
        assert "\n" not in source.name
        assert "\x1b" not in source.name


class TestArgo:
    """Self-healing or not, as the application itself says."""

    @pytest.mark.parametrize(
        ("heal", "automated", "puts_back"), [(True, {}, True), (False, {}, False), (True, {"enabled": False}, False)]
    )
    def test_it_puts_back_where_it_heals(self, heal: bool, automated: Object, puts_back: bool) -> None:
        live = marked()
        source = argo_source("web", application(live, heal=heal, **automated), live)
        assert source.puts_back is puts_back

    def test_one_that_cannot_be_read_or_does_not_list_the_object_is_believed_to_heal(self) -> None:
        live = marked()
        other = {**application(live), "status": {"resources": []}}
        assert argo_source("web", None, live).puts_back
        assert argo_source("web", other, live).puts_back

    def test_a_password_in_its_repository_is_not_told(self) -> None:
        live = marked()
        assert "secret" not in argo_source("web", application(live), live).advice


def scaler(reference: str, **spec: Any) -> Object:
    return {"metadata": {"name": "s"}, "spec": {reference: {"kind": "Deployment", "name": "web"}, **spec}}


@pytest.mark.parametrize(
    ("mode", "sets"), [("Auto", True), (None, True), ("Initial", True), ("Recreate", True), ("Off", False)]
)
def test_a_vertical_autoscaler_keeps_resources_unless_it_only_recommends(mode: str | None, sets: bool) -> None:
    source = vertical_autoscaler(scaler("targetRef", updatePolicy={"updateMode": mode}), marked())
    assert (source is not None) is sets


def test_autoscalers_of_other_workloads_say_nothing() -> None:
    other = {**marked(), "metadata": {**marked()["metadata"], "name": "another"}}
    assert vertical_autoscaler(scaler("targetRef"), other) is None
    assert horizontal_autoscaler(scaler("scaleTargetRef"), other) is None
    assert horizontal_autoscaler(scaler("scaleTargetRef"), marked()) is not None


class Asked(Reader):
    """Answers lists with what it was given, or raises it; keeps what was asked for."""

    def __init__(self, answer: list[Object] | ClusterError) -> None:
        self._answer = answer
        self.asked: list[tuple[str, str]] = []

    async def list(self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "") -> list[Object]:
        self.asked.append((kind.kind, fields))
        if isinstance(self._answer, ClusterError):
            raise self._answer
        return self._answer


def surroundings(reader: Reader) -> Surroundings:
    """Of a cluster alone: no store is asked for sources."""
    return Surroundings(reader=reader, store=cast("Store", None), clock=FakeClock(), windows=Policy().windows)


async def sources(
    answer: list[Object] | ClusterError, live: Object, made: Proposal | None = None
) -> tuple[Source, ...]:
    return await surroundings(Asked(answer)).sources(live, made or proposal())


class TestReading:
    """What is read, and what it means when it may not be."""

    certain = marked(labels={"argocd.argoproj.io/instance": "web"})
    common = marked(labels={"app.kubernetes.io/instance": "web"})

    @pytest.mark.parametrize("error", [Forbidden("no", code=403), NotFound("no such kind", code=404)])
    async def test_a_certain_mark_whose_application_cannot_be_read_is_refused(self, error: ClusterError) -> None:
        (source,) = await sources(error, self.certain)
        assert source.puts_back
        assert await sources(error, self.common) == ()

    async def test_a_name_that_would_reach_into_the_selector_is_never_sent(self) -> None:
        evil = marked(labels={"argocd.argoproj.io/instance": "web,metadata.namespace=mine"})
        reader = Asked([])
        (source,) = await surroundings(reader).sources(evil, proposal())
        assert source.puts_back
        assert reader.asked == []

    async def test_an_application_without_self_heal_is_drift(self) -> None:
        (source,) = await sources([application(self.certain)], self.certain)
        assert not source.puts_back

    async def test_autoscalers_are_looked_for_only_where_it_matters(self) -> None:
        ours = scaler("targetRef")
        assert await sources([ours], marked()) == ()
        (source,) = await sources([ours], marked(), MEMORY_PROPOSAL)
        assert "VerticalPodAutoscaler" in source.name
        assert await sources(Forbidden("no", code=403), marked(), MEMORY_PROPOSAL) == ()

    async def test_an_api_server_that_is_busy_decides_nothing(self) -> None:
        with pytest.raises(Busy):
            await sources(Busy("later", code=429), self.certain)


class TestOnTheRoad:
    """From the marks on the object to what becomes of the change."""

    async def attempted(self, bench: Bench, annotations: Object) -> Attempt:
        made = deployment()
        await bench.create({**made, "metadata": {**made["metadata"], "annotations": annotations}})
        return await bench.road().attempt(
            await bench.incident(), await image_change(bench), await bench.evidence(), round_number=1
        )

    async def test_what_would_be_put_back_is_only_shown(self, bench: Bench) -> None:
        attempt = await self.attempted(bench, {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:default/web"})
        assert (attempt.verdict.answer, attempt.change, attempt.request) == (Answer.REFUSE, None, None)
        assert [leaf.after for leaf in attempt.diff] == ["nginx:1.28"]
        assert "Argo CD application web" in attempt.verdict.objections[0].reason
        assert list(bench.transport.writes()) == []

    async def test_a_helm_releases_object_is_changed_and_the_verdict_says_where_to_repeat_it(
        self, bench: Bench
    ) -> None:
        attempt = await self.attempted(bench, {"meta.helm.sh/release-name": "shop"})
        assert attempt.change is not None
        assert "values of Helm release shop" in attempt.verdict.remarks[0].reason
