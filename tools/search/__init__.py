"""Looking a failure up: on the web when Tavily is configured, in the shipped runbooks otherwise."""

from tools.search.combined import WebAndRunbooks
from tools.search.contract import Finding, Search, SearchError
from tools.search.local import RunbookSearch
from tools.search.tavily import TavilySearch, TavilySettings

__all__ = ["Finding", "RunbookSearch", "Search", "SearchError", "TavilySearch", "TavilySettings", "WebAndRunbooks"]
