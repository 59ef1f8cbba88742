"""What published data sets call their columns, in tiers: a name of an earlier tier goes before one of a later."""

from __future__ import annotations

import re

__all__ = ["KNOWN", "TIERS", "plain_name", "plain_tail"]

# Compared without case, space or punctuation: User-ID, user_id and userId are one.
TIERS: dict[str, tuple[str, ...]] = {
    "user": (
        "userid useridx uid user users reviewerid customerid customer custid clientid client visitorid memberid "
        "accountid buyerid playerid readerid viewerid listenerid studentid personid shopperid householdkey "
        "householdid cookieid deviceid fullvisitorid usernum userindex personidx iduser userkey usercode customerkey "
        "customercode customernumber customerno kundennr kundeid idcliente msnoid msno authorid patientid userlogacct "
        "benutzer benutzerid nutzer kunde utilisateur usuario idusuario cliente utente 用户 用户id",
        "username nickname profilename reviewername customername userhash usertoken login steamid author useremail "
        "email profileid reviewprofilename reviewer visitor member account person buyer player reader listener viewer "
        "shopper",
        "sessionid session sid sessid visitid sessionkey sessionidx",
        "playlistid pid basketid cartid",
        "orderid invoiceno invoice invoiceid transactionid orderno",
    ),
    "item": (
        "itemid itemidx iid item items movieid film filmid movie productid product prodid sku artistid songid "
        "trackid bookid isbn parentasin articleid newsid videoid gameid appid businessid venueid locationid location "
        "poiid placeid aid stockcode itemcode productcode recipeid beerid jokeid animeid courseid jobid adid "
        "hotelid restaurantid contentid showid episodeid podcastid mediaid msku materialid itemnumber itemno "
        "itemnum itemindex itemkey productkey productnumber upc ean gtin goodsid listingid propertyid postid "
        "photoid petid creativeid streamerid tconst workid mid iditem artikelnr articleno skuid spuid gmapid "
        "artid traid trackuri spotifytrackuri trackmbid beerbeerid mediaitemid artikel artikelnummer produit producto "
        "idproducto produto prodotto 商品 商品id",
        "asin artistmbid isbn13 isbn10 besttbookid",
        "itemname productname moviename songname trackname gamename moviestitle booktitle movietitle producttitle "
        "artist artistname song track game book news article video app business venue place recipe beer anime "
        "tvshow show course hotel itemtitle name title gametitle",
        "tagid pageid url",
    ),
    "time": (
        "timestamp unixreviewtime unixtime ts order timestamps unixtimestamp timestampms epoch",
        "datetime eventtime eventtimestamp createdat ratedat reviewedat viewedat watchedat playedat purchasedat "
        "createtime creationtime timecreated dateadded dateandtime localtime utctime timestamputc checkintime "
        "clicktime purchasetime viewtime visittime ordertime clicktimestamp "
        "reviewdatetime interactiontime actiontime behaviortime logtime servertime starttime "
        "startedat ratingtimestamp reviewtimestamp timems tsms time time_utc orderpurchasetimestamp",
        "tdat invoicedate eventdate date reviewdate reviewtime ratingdate orderdate purchasedate transactiondate "
        "transdate datum day activedate watchdate createddate datecreated reviewcreationdate saledate orderdatetime",
        "updatedat dateupdated readat modifiedat lastmodified lastupdated mylastupdated",
        "position addtocartorder ordernumber sequence seq rank step pos trackposition timeframe index rownumber "
        "seqno sequenceno sequencenumber itemorder orderinsession positioninsession sessionposition orderindex "
        "eventorder eventnumber stepnumber itemposition playorder clickorder lineno linenumber",
    ),
    "rating": (
        "rating ratings stars overall score bookrating userrating reviewscore reviewoverall ratingscore starrating "
        "ratingvalue vote rate playcount plays playtime weight userscore reviewrating count",
    ),
    "event": (
        "event eventtype action behavior behaviour behaviortype eventname actiontype type activity activitytype "
        "interaction interactiontype eventcategory",
    ),
}
KNOWN = {name: role for role, tiers in TIERS.items() for tier in tiers for name in tier.split()}


def plain_name(name: str) -> str:
    """A column's name as `TIERS` spells it."""
    return re.sub(r"[\W_]+", "", name.partition(":")[0] if re.search(r":(token|float)(_seq)?$", name) else name).lower()


def plain_tail(name: str) -> str:
    """The end of a nested name that is known, as `user.id` of `payload.user.id`; else the whole."""
    parts = name.split(".")
    ends = (plain_name(".".join(parts[k:])) for k in range(len(parts)))
    return next((end for end in ends if end in KNOWN), plain_name(name))
