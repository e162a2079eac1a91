"""The sandbox's answers about names: iTwins, reality data, detectors, users and rights, and the names themselves.

As strict as the rest: pages by `$skip` end at `X-Max-Return` without a word, only `Prefer` brings more than three
fields, and rights come from the iTwin that is named.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pipelines.sandbox.answers import error_answer, json_answer
from pipelines.sandbox.instants import DAY, month_of, months_ending, parse_timestamp, to_micros, with_z
from pipelines.sandbox.name_book import NameBook
from pipelines.sandbox.references import POOL, outputs_of
from pipelines.sandbox.skeleton import Job, guid
from pipelines.sandbox.values import NAMED_DETECTORS
from pipelines.sandbox.world import World

ITWINS: Final = "/itwins"
REALITY_DATA: Final = "/reality-management/reality-data"
DETECTORS: Final = "/reality-analysis/detectors"
USERS: Final = "/users/getbyidlist"
PERMISSIONS: Final = "/accesscontrol/itwins/{itwin_id}/permissions"
TOP: Final = range(1, 1001)
MAX_RETURN: Final = 1000

CANARY: Final = "sig=CANARY-of-a-signed-url"
"""What no ledger, log or event may hold."""

_LIST_KEYS: Final = ("id", "class", "subClass", "type", "number", "displayName", "status")
_MINIMAL_KEYS: Final = ("id", "displayName", "type")
_SITES: Final = (
    "Harbour bridge 2026",
    "Überführung Sankt-Gallen-Straße",
    "Viaduc d'Échirolles",
    "橋梁点検 東京湾",
    "Мост через Неву",
    "جسر الخليج",
    "Highway A14, section 7: survey of the pavement between the interchanges north and south, 2nd campaign in winter",
    "Quarry Ødegård",
    "교량 점검",
    "Dam of São João",
    "Station North",
)
_PLACES: Final = (
    ("Rotterdam, Netherlands", 51.92, 4.48, "Europe/Amsterdam"),
    ("Tōkyō, Japan", 35.62, 139.78, "Asia/Tokyo"),
    ("Exton, Pennsylvania", 40.03, -75.62, "America/New_York"),
)
_FORMATS: Final = ("CCImageCollection", "Cesium3DTiles", "LAS", "OPC", "3MX", "Orthophoto", "ContextScene", "GeoJSON")
_LABELS: Final = ("rail", "crack", "pole", "sign", "Riß")
_DETECTOR_TYPES: Final = (
    "PhotoObjectDetector",
    "PhotoSegmentationDetector",
    "OrthophotoSegmentationDetector",
    "PointCloudSegmentationDetector",
)

Answer = Callable[[Request], Response]


class WorldNames(NameBook):
    """The names of a generated world: all follow from its seed. Its last iTwin of many is not visible."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._made: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}
        visible = world.itwins[:-1] if len(world.itwins) > 10 else world.itwins
        self.itwins = {itwin_id: _itwin(itwin_id, place) for place, itwin_id in enumerate(visible)}
        self.reality_data = {itwin_id: dict(self._pool(itwin_id)) for itwin_id in visible}
        bases = sorted({_without_version(name) for name in NAMED_DETECTORS})
        words = [f"{place}-{what}" for place in ("site", "line", "team") for what in ("rail", "pylons", "cracks")]
        own = [f"{word}-{itwin_id[:4]}" for itwin_id in world.itwins[:1] for word in words]
        self.detectors = {name: _detector(name) for name in (*bases, *own)}
        people = {person.id: person for team in world.cast.teams.values() for person in team}
        self.users = {
            person.id: _user(person.id, person.email)
            for number, person in enumerate(people.values())
            if number % 13 != 5  # somebody of another organisation
        }

    def reality_data_of(self, itwin_id: str, now: int) -> Mapping[str, dict[str, Any]]:
        """The pool of the iTwin, and what its jobs made before that instant."""
        if itwin_id not in self.itwins:
            return {}
        found = dict(self.reality_data.get(itwin_id, {}))
        for month in months_ending(month_of(now), self._world.months):
            found |= {made["id"]: made for ended, made in self._made_in(itwin_id, month) if ended <= now}
        return found

    def _made_in(self, itwin_id: str, month: str) -> list[tuple[int, dict[str, Any]]]:
        if (itwin_id, month) not in self._made:
            jobs = self._world.month(month).by_itwin.get(itwin_id, [])
            self._made[itwin_id, month] = [
                (job.ended, _made(job, output, made_id))
                for job in jobs
                if job.outcome == "success"
                for output, made_id in self._world.edition.made_reality_data(job, outputs_of(job))
                if not _is_deleted(made_id, of=165)
            ]
        return self._made[itwin_id, month]

    def _pool(self, itwin_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(2):  # of three that jobs name: the last one is gone
            detector_id = guid("detector", itwin_id, number)
            yield detector_id, _piece(detector_id, f"Own detector {number + 1}")
        slots = [slot for kind in self._world.cast.kinds for slot in kind.inputs if slot.holds == "reality_data"]
        for stem in sorted({slot.name.removesuffix("_a").removesuffix("_b") for slot in slots}):
            for piece in range(2 * POOL):
                piece_id = guid(itwin_id, stem, piece)
                if not _is_deleted(piece_id):
                    yield piece_id, _piece(piece_id, f"{stem.replace('_', ' ').capitalize()} {piece + 1}")


class NamesApi:
    """The operations about names over a book."""

    def __init__(self, book: NameBook, clock: Callable[[], datetime]) -> None:
        self.book = book
        self._clock = clock

    def operations(self) -> Sequence[tuple[str, str, str, Answer]]:
        """Path, name of the operation, method and answer of each."""
        found = (
            (f"{ITWINS}/", "itwin_list", "GET", self._itwin_list),
            (ITWINS, "itwin_list", "GET", self._itwin_list),
            (f"{ITWINS}/{{itwin_id}}", "itwin", "GET", self._itwin),
            (f"{REALITY_DATA}/", "reality_data_list", "GET", self._reality_data_list),
            (REALITY_DATA, "reality_data_list", "GET", self._reality_data_list),
            (f"{REALITY_DATA}/{{reality_data_id}}", "reality_data", "GET", self._one_reality_data),
            (USERS, "users", "POST", self._users),
            (PERMISSIONS, "permissions", "GET", self._permissions),
            (DETECTORS, "detector_list", "GET", self._detector_list),
            (f"{DETECTORS}/{{name:path}}", "detector", "GET", self._detector),
        )
        return [(path, operation, method, self._allowed(answer)) for path, operation, method, answer in found]

    def _allowed(self, answer: Answer) -> Answer:
        def allowed(request: Request) -> Response:
            if self.book.forbidden:
                return error_answer(403, "InsufficientPermissions", "The user has insufficient permissions.")
            return answer(request)

        return allowed

    def _itwin_list(self, request: Request) -> Response:
        query = request.query_params
        top, skip = _number(query.get("$top", "100")), _number(query.get("$skip", "0"))
        most = _number(request.headers.get("x-max-return", str(MAX_RETURN)))
        if top not in TOP or skip is None or most is None or not 0 < most <= 10 * MAX_RETURN:
            return error_answer(422, "InvalidiTwinsRequest", "The request is invalid.", "$top")
        inactive = query.get("includeInactive") == "true"
        shown = [one for one in self.book.itwins.values() if inactive or one.get("status") != "Inactive"][:most]
        page = [_of(one, _LIST_KEYS) for one in shown[skip : skip + (top or 0)]]
        links: dict[str, Any] = {"self": {"href": str(request.url)}}
        if skip + len(page) < len(shown):
            links["next"] = {"href": str(request.url.include_query_params(**{"$skip": skip + len(page)}))}
        return _json({"iTwins": page, "_links": links})

    def _itwin(self, request: Request) -> Response:
        found = self.book.itwins.get(request.path_params["itwin_id"].lower())
        return _json({"iTwin": found}) if found else _no_itwin()

    def _reality_data_list(self, request: Request) -> Response:
        query, now = request.query_params, to_micros(self._clock())
        itwin_id, top = query.get("iTwinId", "").lower(), _number(query.get("$top", "100"))
        changed = _range(query.get("modifiedDateTime"))
        if top not in TOP or not itwin_id or changed is None:
            return error_answer(422, "InvalidRealityDataRequest", "The request is invalid.", "$top")
        if itwin_id not in self.book.itwins:
            return _no_itwin()
        after = urlsafe_b64decode(query.get("continuationToken", "").encode()).decode()
        found = sorted(self.book.reality_data_of(itwin_id, now).items())
        wanted = [one for key, one in found if key > after and _changed(one, changed)]
        page = wanted[:top]
        whole = "return=representation" in request.headers.get("prefer", "")
        body: dict[str, Any] = {
            "realityData": page if whole else [_of(one, _MINIMAL_KEYS) for one in page],
            "_links": {},
        }
        if len(wanted) > len(page):
            token = urlsafe_b64encode(page[-1]["id"].encode()).decode()
            kept = {**query, "continuationToken": token}
            path = str(request.url.replace(query="")).rstrip("/")
            body["_links"] = {"next": {"href": f"{path}?{urlencode(kept, quote_via=quote)}"}}
        return _json(body)

    def _one_reality_data(self, request: Request) -> Response:
        itwin_id = request.query_params.get("iTwinId", "").lower()
        if itwin_id not in self.book.itwins:
            return _no_itwin()
        here = self.book.reality_data_of(itwin_id, to_micros(self._clock()))
        found = here.get(request.path_params["reality_data_id"].lower())
        if found is None:
            return error_answer(404, "RealityDataNotFound", "Requested reality data is not available.")
        return _json({"realityData": found})

    def _users(self, request: Request) -> Response:
        try:
            ids = msgspec.json.decode(getattr(request, "_body", b""), type=list[str])
        except msgspec.DecodeError:
            ids = []
        if not 0 < len(ids) <= 1000:
            return error_answer(422, "InvalidUsersRequest", "The request is invalid.", "ids")
        return _json({"users": [self.book.users[one.lower()] for one in ids if one.lower() in self.book.users]})

    def _permissions(self, request: Request) -> Response:
        if request.path_params["itwin_id"].lower() not in self.book.itwins:
            return _no_itwin()
        return _json({"permissions": ["realitydata_use", "realitydata_modify"]})

    def _detector_list(self, request: Request) -> Response:
        return _json({"detectors": [_listed_detector(one) for one in self.book.detectors.values()]})

    def _detector(self, request: Request) -> Response:
        raw = request.scope["raw_path"].decode().partition(f"{DETECTORS}/")[2]
        found = None if "/" in raw else self.book.detectors.get(unquote(raw))
        if found is None:
            return error_answer(404, "DetectorNotFound", "Requested detector is not available.")
        return _json({"detector": {key: value for key, value in found.items() if not key.startswith("latest")}})


def _json(body: Any) -> Response:
    return json_answer(msgspec.json.encode(body))


def _no_itwin() -> Response:
    return error_answer(404, "iTwinNotFound", "Requested iTwin is not available.")


def _without_version(detector: str) -> str:
    return detector if detector.count("/") == detector.count("@") else detector.rpartition("/")[0]


def _of(one: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: one[key] for key in keys if key in one}


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _range(text: str | None) -> tuple[int, int] | None:
    """A range of times in microseconds; None where it cannot be read."""
    if text is None:
        return (-(1 << 62), 1 << 62)
    try:
        first, last = map(parse_timestamp, text.split("/"))
    except ValueError:
        return None
    return first, last


def _changed(one: dict[str, Any], within: tuple[int, int]) -> bool:
    changed = one.get("modifiedDateTime")
    return not isinstance(changed, str) or within[0] <= parse_timestamp(changed) <= within[1]


def _listed_detector(one: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "versions"}


def _draw(*parts: object) -> Random:
    return Random(hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).digest())


def _is_deleted(thing_id: str, of: int = 33) -> bool:
    """Whether somebody deleted it, which is so of one thing in that many."""
    return int(thing_id[:4], 16) % of == 0


def _itwin(itwin_id: str, place: int) -> dict[str, Any]:
    rng = _draw("itwin", itwin_id)
    name = _SITES[place % len(_SITES)] if place < 2 * len(_SITES) - 2 else f"Site {place}"
    name = name if place < len(_SITES) or place == len(_SITES) + 1 else f"{name} ({place})"
    location, latitude, longitude, zone = rng.choice(_PLACES)
    created = with_z(1_735_689_600_000_000 + rng.randrange(30) * DAY)
    return {
        "id": itwin_id,
        "class": "Endeavor",
        "subClass": rng.choice(("Project", "Asset")),
        "type": rng.choice(("Bridge", "Road", None)),
        "number": f"P-{rng.randrange(10_000):04d}",
        "displayName": name,
        "status": "Inactive" if place % 9 == 7 else "Active",
        "parentId": guid("account", 1),
        "iTwinAccountId": guid("account", 1),
        "geographicLocation": location,
        "latitude": latitude,
        "longitude": longitude,
        "ianaTimeZone": zone,
        "dataCenterLocation": "East US",
        "createdDateTime": created,
        "lastModifiedDateTime": created,
    }


def _piece(piece_id: str, name: str, changed: int | None = None) -> dict[str, Any]:
    rng = _draw("piece", piece_id)
    south, west = rng.uniform(-60, 60), rng.uniform(-179, 178)
    when = with_z(changed if changed is not None else 1_735_689_600_000_000 + rng.randrange(60) * DAY)
    piece: dict[str, Any] = {
        "id": piece_id,
        "displayName": name,
        "type": rng.choice(_FORMATS),
        "size": rng.randrange(1, 60_000_000),
        "classification": rng.choice(("Model", "Imagery", "Terrain", "Undefined")),
        "tags": rng.sample(["drone", "winter", "as-built", "été"], rng.randrange(3)),
        "authoring": False,
        "dataCenterLocation": "East US",
        "createdDateTime": when,
        "modifiedDateTime": when,
        "ownerId": guid("owner", rng.randrange(3)),
    }
    if rng.random() < 0.8:
        corners = {"latitude": south, "longitude": west}, {"latitude": south + 0.02, "longitude": west + 0.03}
        piece["extent"] = dict(zip(("southWest", "northEast"), corners, strict=True))
        piece["crs"] = {"id": "EPSG:32632", "verticalId": None}
    if rng.random() < 0.3:
        piece["acquisition"] = {"startDateTime": when, "acquirer": "Survey & Söhne"}
    return piece


def _made(job: Job, output: str, made_id: str) -> dict[str, Any]:
    return _piece(made_id, f"{output.replace('_', ' ')} of {job.name or job.type}", job.ended)


def _detector(name: str) -> dict[str, Any]:
    rng = _draw("detector", name)
    words = name.removeprefix("@bentley/").replace("-", " ")
    versions = [f"{major}.{minor}" for major in (1, 2, 3) for minor in (0, 1)][: rng.randrange(2, 7)]
    return {
        "name": name,
        "displayName": words.capitalize(),
        "description": f"Finds {words} – trained on pictures of several campaigns.",
        "type": rng.choice(_DETECTOR_TYPES),
        "documentationUrl": f"https://example.com/detectors/{quote(name, safe='')}",
        rng.choice(("latestVersionNumber", "latestVersion")): versions[-1],
        "versions": [
            {
                "creationDate": with_z(1_735_689_600_000_000 + 40 * number * DAY),
                "versionNumber": version,
                "status": "Ready",
                "creatorId": guid("owner", 0),
                "downloadUrl": f"https://store.example.com/{quote(name)}/{version}.zip?sv=2025&{CANARY}%3D",
                "capabilities": {
                    "labels": rng.sample(["rail", "crack", "pole", "sign", "Riß"], 3),
                    "exports": ["Lines"],
                },
            }
            for number, version in enumerate(versions)
        ],
    }


def _user(user_id: str, email: str) -> dict[str, Any]:
    rng = _draw("user", user_id)
    return {
        "id": user_id,
        "email": email,
        "givenName": rng.choice(("Ana", "Björn", "明", "Zoë", "Олег", "Maya")),
        "surname": rng.choice(("García", "Ångström", "山田", "O'Neill", "Петров", "Kim")),
        "organizationName": "Example Surveys",
    }
