"""A shape for data that no preset knows: fields by their usual names, and by what stands in them."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stream_rec.errors import ConfigError
from stream_rec.shapes import dates, times
from stream_rec.shapes.headerless import by_content, is_headerless
from stream_rec.shapes.numbers import numbers_of

NAMES: dict[str, tuple[str, ...]] = {
    "user_id": (
        "userid", "user", "uid", "customerid", "customer", "visitorid", "memberid", "member", "accountid", "clientid",
        "buyerid", "subscriberid", "playerid", "readerid", "distinctid", "anonymousid", "profileid", "personid",
        "deviceid", "cookieid", "username", "userpseudoid", "useid", "sessionid", "session", "visitor",
        "reviewerid", "customerno", "customernumber", "userno", "usernumber", "memberno", "membernumber", "accountno",
        "accountnumber", "loginid", "cookie", "browserid", "guestid",
        "kundennummer", "kundennr", "kundenid", "kunde", "benutzerid", "benutzer", "nutzerid", "nutzer",
        "idclient", "identifiantclient", "numeroclient", "client", "idutilisateur", "utilisateurid", "utilisateur",
        "idusuario", "usuarioid", "usuario", "idcliente", "clienteid", "cliente", "idutente", "utente", "klantnummer",
        "klantid", "klant", "gebruikerid", "gebruiker", "пользователь", "клиент", "用户id", "用户",
    ),
    "item_id": (
        "itemid", "item", "productid", "product", "sku", "articleid", "movieid", "bookid", "trackid", "songid",
        "videoid", "contentid", "newsid", "pageid", "asin", "parentasin", "isbn", "gameid", "adid", "documentid",
        "docid", "postid", "courseid", "recipeid", "hotelid", "listingid", "offerid", "stockcode", "iteid", "goodsid",
        "skuid", "productsku", "trackuri", "aid", "placeid", "venueid", "article", "movie", "book", "track", "song",
        "video", "page", "listing", "recipe", "course", "place", "game", "film", "filmid",
        "businessid", "artistid", "albumid", "appid", "animeid", "showid", "episodeid", "jobid", "propertyid",
        "artikelnummer", "artikelnr", "artikelid", "artikel", "produktnummer", "produktid", "produkt", "idproduit",
        "referenceproduit", "produitid", "produit", "idarticle", "idproducto", "productoid", "producto", "idarticulo",
        "articulo", "idproduto", "produto", "idprodotto", "prodotto", "productnummer", "товар", "商品id", "商品",
    ),
    "ts": (
        "ts", "timestamp", "eventtime", "eventtimestamp", "time", "datetime", "createdat", "occurredat", "happenedat",
        "date", "timems", "unixtime", "eventdate", "timestampms", "created", "clienttime", "servertime", "tstamp",
        "timestampmillis", "eventts", "createtime", "viewedat", "purchasedat", "invoicedate", "orderdate", "logtime",
    ),
    "event_type": (
        "eventtype", "event", "action", "actiontype", "type", "eventname", "behavior", "behaviour", "behaviortype",
        "interaction", "interactiontype", "feedbacktype", "activity", "verb", "kind",
        "eventsname", "actionname", "aktion", "ereignis", "evenement", "accion", "evento", "azione", "действие", "行为",
    ),
    "session_id": ("sessionid", "session", "usersession", "visitid"),
    "event_id": ("eventid", "messageid", "uuid"),
    "value": ("rating", "value", "score", "stars", "price", "amount", "dwell", "dwelltime", "watchratio", "eventvalue",
              "overall", "preis", "prix", "precio", "unitprice", "listprice", "itemprice", "saleprice", "salesprice"),
}  # fmt: skip
"""Without accents and what is no letter or digit, in small letters; the first is the surest."""
_RATINGS = frozenset({"rating", "stars", "overall"})
_ORDERS = frozenset({
    "orderid", "ordernumber", "orderno", "invoice", "invoiceno", "invoiceid", "invoicenumber", "receiptid", "lineitems",
    "bestellnummer", "rechnungsnummer",
})  # fmt: skip
_FLAGS = {
    "purchase": frozenset({"purchased", "ispurchase", "ispurchased", "bought", "converted", "conversion"}),
    "cart": frozenset({"addedtocart", "isaddedtocart", "incart", "iscart"}),
    "like": frozenset({"liked", "islike", "isliked"}),
    "click": frozenset({"clicked", "isclick", "isclicked", "click"}),
}
"""Columns of yes and no that say what somebody did with what was shown, the strongest first."""
_YES, _NO = ("1", "1.0", "true", "t", "yes", "y"), ("0", "0.0", "false", "f", "no", "n")
NEEDED = ("user_id", "item_id", "ts")
MIN_SHARE = 0.2
"""Of the samples, that must have a field."""
MAX_DEPTH = 4
_CATALOGUE = "; if these are items, `stream-rec items load FILE` reads them (docs/catalogue.md)"


NOTHING: Mapping[str, str] = {}


class Guessed(NamedTuple):
    """What was found.

    Attributes:
        events: the paths of an interaction's fields.
        unit: of its times, `days` or a strptime pattern; empty = they need none.
        remarks: what whoever reads it must know.
        merges: the paths of merges, where the user is an account or else a browser and some have both.
    """

    events: dict[str, str]
    unit: str
    remarks: tuple[str, ...] = ()
    merges: Mapping[str, str] = NOTHING


def guess(
    samples: Sequence[Mapping[str, Any]], otherwise: Mapping[str, str] = NOTHING, *, is_row: bool = False
) -> Guessed:
    """The paths of an interaction's fields, and the unit of its times.

    Args:
        samples: decoded messages or rows.
        otherwise: paths of fields for which none is found.
        is_row: are they rows of a database, told by its changes?

    Raises:
        ConfigError: no field looks like a user, an item or a time, or the times are of no form that is known; says
            what there is.
    """
    rows = [dict(leaves(sample)) for sample in samples]
    seen: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        for path, value in row.items():
            if value is not None and value != "":
                seen[path].append(value)
    if is_headerless(samples):
        found = by_content(samples)
        remark = f"no header: {found['user_id']} is taken for the user, {found['item_id']} for the item"
        return Guessed(found, dates.pattern_of(seen[found["ts"]]) or "", (remark,))
    common = [path for path, given in seen.items() if len(given) >= MIN_SHARE * len(samples)]
    remarks: list[str] = []
    found = {}
    for field, names in NAMES.items():
        best = sorted((p for p in common if is_like(field, p, seen[p], names)), key=lambda p: rank(p, names))
        best = [path for path in best if path not in found.values()]
        if best:
            found[field] = best[0]
    left = [path for path in common if path not in found.values()]
    unit, ts = "", found.get("ts") or _time({path: seen[path] for path in left}, remarks)
    if ts and dates.are_days(ts, seen[ts], is_row=is_row):
        found["ts"], unit = ts, "days"
    elif ts:
        found["ts"], unit = dates.of_day(ts, left, rows)
    found = {**otherwise, **found}
    if missing := [field for field in NEEDED if field not in found]:
        raise ConfigError(
            f"no field looks like {missing[0]}; there are {', '.join(list(seen)[:30])}",
            fix=f"name it: {missing[0]} = 'path'"
            + _CATALOGUE * ("item_id" in found and missing[0] == "user_id"),
        )
    if "event_type" not in found:
        found |= _by_flags(seen) or {"event_type": _usual_type(seen, found)}
    if value := found.get("value"):
        how = numbers_of(value, seen.get(value, ()))
        found["value"] = how.path if how else value
        remarks += [how.remark] if how and how.remark else []
    return Guessed({name: path for name, path in found.items() if path}, unit, tuple(remarks))


def _time(columns: Mapping[str, Sequence[Any]], remarks: list[str]) -> str | None:
    """The column that says when, by its form, else by its values alone."""
    if found := dates.moment(columns, NAMES["ts"]):
        return found
    likely = dates.by_value(columns)
    if likely:
        what = "is taken for the time" if len(likely) == 1 else "may be the time: set ts = one of them"
        remarks.append(f"by its values, {' or '.join(likely)} {what}")
    return likely[0] if len(likely) == 1 else None


def _by_flags(seen: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """The type by columns of yes and no: rows that say only what was shown are left out, if there are clicks."""
    flags = {
        kind: path
        for kind, names in _FLAGS.items()
        for path, given in seen.items()
        if _plainly(path) in names and all(str(value).lower() in (*_YES, *_NO) for value in given)
    }
    if not flags:
        return {}
    words = ", ".join(f"'{word}'" for word in _YES)
    holds = {kind: f"lower({path}) in [{words}]" for kind, path in flags.items()}
    kinds = " || ".join(f"when({condition}, '{kind}')" for kind, condition in holds.items())
    if "click" not in flags:
        return {"event_type": f"{kinds} || 'view'"}
    return {"keep": " or ".join(holds.values()), "event_type": kinds}


def _usual_type(seen: Mapping[str, Sequence[Any]], found: Mapping[str, str]) -> str:
    """What events are that name no type: ratings and orders by what stands beside, else views."""
    parts = {letters(part) for path in seen for part in re.split(r"\.|\[\]\.?", path)}
    if parts & _ORDERS:
        return "'purchase'"
    return "'rating'" if _plainly(found.get("value", "")) in _RATINGS else "'view'"


def leaves(value: Any, at: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Paths of an object with what stands there; of a list the first element."""
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        for name, inner in value.items():
            shown = member_path(name)
            yield from leaves(inner, f"{at}.{shown}" if at else shown, depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH and value and isinstance(value[0], Mapping):
        yield from leaves(value[0], f"{at}[]", depth + 1)
    elif isinstance(value, list) and value and isinstance(value[0], str | int):
        yield f"{at}[]", value[0]
    elif not isinstance(value, list | Mapping):
        yield at, value


def member_path(name: str) -> str:
    """A member's name as it stands in a path: in quotes, if it is no plain word."""
    return name if re.fullmatch(r"[A-Za-z_$][\w$:-]*", name) else '"' + name.replace('"', '\\"') + '"'


def is_like(field: str, path: str, given: Sequence[Any], names: tuple[str, ...]) -> bool:
    """Has a path one of the names of a field, and can what stands there be one?"""
    if word_of(path, names) is None or (path.endswith("[]") and field != "item_id"):
        return False
    if field == "ts":
        return all(map(times.unit_of, given)) or dates.pattern_of(given) is not None
    return field != "value" or numbers_of(path, given) is not None


def rank(path: str, names: tuple[str, ...]) -> tuple[int, int]:
    """The surest path of a field comes first: the least deep, then by its name's place."""
    return path.count(".") + path.count("[]"), names.index(word_of(path, names) or names[-1])


def word_of(path: str, names: tuple[str, ...]) -> str | None:
    """The name that a path has: its last part, or the last two (`user.id` is `userid`); of a list, in the singular."""
    parts = [letters(part) for part in re.split(r"\.|\[\]\.?", path) if part]
    if path.endswith("[]"):
        one = parts[-1].removesuffix("s")
        return one if one in names else None
    pair = "".join(parts[-2:])
    return parts[-1] if parts[-1] in names else pair if pair in names else None


def _plainly(path: str) -> str:
    return letters(path.rpartition(".")[2])


def letters(name: str) -> str:
    """Its letters and digits, without accents; RecBole's `user_id:token` is `userid`."""
    name = re.sub(r":(token|float)$", "", name.strip('"'))
    plain_name = "".join(
        c for c in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(c)
    )
    return re.sub(r"[\W_]", "", plain_name)
