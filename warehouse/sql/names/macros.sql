-- What the tables of names say alike.

-- Area in km2 of a rectangle of degrees, on a sphere of the Earth's mean radius; null where that is none. East of less than
-- west lies beyond the 180th meridian.
CREATE OR REPLACE MACRO area_km2(south, west, north, east) AS
    CASE
        WHEN abs(south) <= 90 AND abs(north) <= 90 AND south <= north AND abs(west) <= 180 AND abs(east) <= 180
            THEN 6371.0088 * 6371.0088 * (sin(radians(north)) - sin(radians(south)))
                * radians(east - west + CASE WHEN east < west THEN 360 ELSE 0 END)
    END;

-- The API's kilobytes as bytes; null where that is no size.
CREATE OR REPLACE MACRO bytes_of(kilobytes) AS
    CASE WHEN kilobytes >= 0 THEN try_cast(round(kilobytes * 1024) AS BIGINT) END;
