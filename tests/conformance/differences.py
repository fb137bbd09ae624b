"""The one table of what the embedded side still answers differently: the check, and how the two differ.

Each entry makes its check a strict xfail on the embedded side: it has to go as soon as the difference is gone.
"""

_NOT_ROUNDED = "cpu is not rounded up to thousandths"
_NOT_VALIDATED = "the embedded server accepts it"

KNOWN_DIFFERENCES: dict[str, str] = {
    "test_access::test_nobody_gives_more_than_they_have": "no escalation check: any rule can be written into a role",
    "test_apply::test_apply_is_strict_about_fields_and_keys": "the group is left out of the message: `v1` for `/v1`",
    "test_defaults::test_a_negative_grace_period_becomes_one_second": "422 instead of 1",
    "test_defaults::test_services_of_other_kinds[fields3-expected3]": "sessionAffinityConfig is not filled in",
    "test_defaults::test_a_quantity_is_written_in_its_canonical_form[0.0001-1m]": _NOT_ROUNDED,
    "test_defaults::test_a_quantity_is_written_in_its_canonical_form[123456789n-124m]": _NOT_ROUNDED,
    "test_defaults::test_a_fraction_of_a_byte_is_warned_about": "no warning",
    "test_discovery::test_the_core_has_one_version_and_the_groups_are_listed": "autoscaling/v1 is not served",
    "test_events::test_an_event_is_seen_through_both_groups": "events.k8s.io is not served",
    "test_immutability::test_a_pod_keeps_its_containers": "the general refusal instead of the one about containers",
    "test_immutability::test_a_refused_change_of_a_claim_is_shown_as_a_diff": "the message has no diff",
    "test_lists::test_what_a_list_cannot_understand_is_a_bad_request"
    "[query0-unable to parse requirement: found '', expected: ',' or ')']": "other words",
    "test_lists::test_a_page_of_a_forgotten_list_is_gone_but_can_be_gone_on_from": "no token to go on with",
    "test_ownership::test_two_controllers_are_one_too_many": _NOT_VALIDATED,
    "test_ownership::test_a_pod_on_no_node_ends_at_once": "the answer has no deletionGracePeriodSeconds",
    "test_patches::test_a_json_patch_applies[replace adds a key]": "422: replace asks for the key to be there",
    "test_patches::test_a_patch_that_makes_no_sense_is_a_bad_request[an object for a list]": "other words",
    "test_patches::test_a_patch_that_makes_no_sense_is_a_bad_request[a list for an object]": "other words",
    "test_patches::test_a_patch_that_makes_no_sense_is_a_bad_request[no JSON]": "other words",
    "test_patches::test_a_strategic_patch_puts_new_list_items_first": "new items come last",
    "test_requests::test_an_unknown_group_is_a_plain_404": "a Status instead of plain text",
    "test_requests::test_a_body_that_does_not_decode_is_a_bad_request[not JSON]": "other words",
    "test_requests::test_a_version_on_create_is_refused": _NOT_VALIDATED,
    "test_validation::test_a_pod_is_invalid[-spec.containers[0].resources.limits]": _NOT_VALIDATED,
    "test_validation::test_it_is_invalid[jobs--spec.template.spec.restartPolicy1]": _NOT_VALIDATED,
    "test_validation::test_it_is_invalid[services--spec.clusterIPs]": _NOT_VALIDATED,
    "test_validation::test_it_is_invalid[leases--spec.leaseDurationSeconds]": _NOT_VALIDATED,
    "test_validation::test_it_is_invalid[secrets--data[tls.crt]]": _NOT_VALIDATED,
    "test_validation::test_it_is_invalid[configmaps--metadata.ownerReferences.uid]": "the field has an index",
    "test_watch::test_the_old_watch_path_still_works": "/api/v1/watch/ is not served",
    "test_watch::test_what_is_forgotten_is_gone": "a new custom kind remembers the time before it",
}
