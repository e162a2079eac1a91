-- What several marts say alike, under names that stand for the same in DuckDB and in Spark.

-- Units as whole billionths: their sum is exact, so it is the same in whatever order they come. Null for what no job can
-- cost: a billion units or more.
CREATE OR REPLACE MACRO billionths(units) AS
    TRY_CAST(round(units * 1e9) AS DECIMAL(18, 0));

-- A sum of billionths as units.
CREATE OR REPLACE MACRO units_of(total_billionths) AS
    CAST(total_billionths AS DOUBLE) / 1e9;

-- A number as text: the shortest that reads as the same number.
CREATE OR REPLACE MACRO number_text(x) AS
    CAST(x AS VARCHAR);

-- The UTC month of a time, YYYY-MM.
CREATE OR REPLACE MACRO month_text(moment) AS
    strftime(moment, '%Y-%m');

-- The number at a path of a JSON text; null where there is none, or one that is too large to be one (1e999).
CREATE OR REPLACE MACRO number_at(body, path) AS
    CASE
        WHEN
            json_type(body, path) IN ('BIGINT', 'UBIGINT', 'DOUBLE')
            AND isfinite(TRY_CAST(json_extract_string(body, path) AS DOUBLE))
            THEN TRY_CAST(json_extract_string(body, path) AS DOUBLE)
    END;

-- The number of a UTC day or hour, counted from the start of 1970.
CREATE OR REPLACE MACRO day_number(moment) AS
    CAST(floor(epoch_us(moment) / 86400000000e0) AS BIGINT);

CREATE OR REPLACE MACRO hour_number(moment) AS
    CAST(floor(epoch_us(moment) / 3600000000e0) AS BIGINT);

-- When the day or hour of a number starts.
CREATE OR REPLACE MACRO day_start(number) AS
    make_timestamptz(number * 86400000000);

CREATE OR REPLACE MACRO hour_start(number) AS
    make_timestamptz(number * 3600000000);

-- The whole numbers from `first` to `last`, both included, as a list to unnest; empty where `last` is the smaller one.
CREATE OR REPLACE MACRO numbers_between(first, last) AS
    generate_series(first, last);

-- How long a wait or a run has lasted that has begun and not ended, in microseconds: until as_of, or until its job vanished.
-- Null for every other, and before there is an as_of.
CREATE OR REPLACE MACRO so_far_us(began_at, stopped_at, outcome, vanished_at, as_of) AS
    CASE
        WHEN outcome = 'open' AND stopped_at IS NULL AND began_at IS NOT NULL AND coalesce(vanished_at, as_of) IS NOT NULL
            THEN greatest(0, epoch_us(coalesce(vanished_at, as_of)) - epoch_us(began_at))
    END;

-- The median of a sorted list; null of none.
CREATE OR REPLACE MACRO median_of(ordered) AS
    (list_extract(ordered, (len(ordered) + 1) // 2) + list_extract(ordered, (len(ordered) + 2) // 2)) / 2;

-- How far from either end of n values in their order an interval begins that holds the true median with at least 95 %.
CREATE OR REPLACE MACRO median_rank(n) AS
    CAST(floor((n + 1 - 1.96e0 * sqrt(n)) / 2) AS BIGINT);

-- The ends of that interval in a sorted list; null of fewer than 20 values.
CREATE OR REPLACE MACRO median_low(ordered) AS
    CASE WHEN len(ordered) >= 20 THEN list_extract(ordered, median_rank(len(ordered))) END;

CREATE OR REPLACE MACRO median_high(ordered) AS
    CASE WHEN len(ordered) >= 20 THEN list_extract(ordered, len(ordered) + 1 - median_rank(len(ordered))) END;

-- The ends of Wilson's 95 % interval of a share, `hits` of n; null of none. share_reach is half its width.
CREATE OR REPLACE MACRO share_reach(hits, n) AS
    1.95996398e0 * sqrt(hits * (n - hits) / CAST(nullif(n, 0) AS DOUBLE) + 0.960364705e0) / (n + 3.84145882e0);

CREATE OR REPLACE MACRO share_low(hits, n) AS
    CASE WHEN n > 0 THEN greatest(0e0, (hits + 1.92072941e0) / (n + 3.84145882e0) - share_reach(hits, n)) END;

CREATE OR REPLACE MACRO share_high(hits, n) AS
    CASE WHEN n > 0 THEN least(1e0, (hits + 1.92072941e0) / (n + 3.84145882e0) + share_reach(hits, n)) END;

-- The 90 % point of Student's t with 1 or more degrees of freedom, which need not be whole: off by less than 1e-6.
CREATE OR REPLACE MACRO student_t90(freedom) AS
    1.28155157e0 + 0.84656217e0 / freedom + 0.57145593e0 / power(freedom, 2) + 0.25411399e0 / power(freedom, 3)
    + 0.06632473e0 / power(freedom, 4) + 0.07707384e0 / power(freedom, 5) - 0.0313402e0 / power(freedom, 6)
    + 0.01194178e0 / power(freedom, 7);

-- How far from an estimate an interval reaches that holds 80 %, by the variance and what tells its degrees of freedom: the
-- sum of the squares of its parts, each over its own (null or 0: they are as good as known).
CREATE OR REPLACE MACRO margin80(variance, squares_by_freedom) AS
    sqrt(variance) * student_t90(coalesce(power(variance, 2) / nullif(squares_by_freedom, 0), 1e9));

-- The 97.5 % point of Student's t with 4 or more degrees of freedom, which need not be whole: off by less than 1e-8.
CREATE OR REPLACE MACRO student_t(freedom) AS
    1.95996398e0 + 2.37227124e0 / freedom + 2.82249488e0 / power(freedom, 2) + 2.55602007e0 / power(freedom, 3)
    + 1.58638924e0 / power(freedom, 4) + 0.76002846e0 / power(freedom, 5) + 0.5345936e0 / power(freedom, 6);

-- The ends of Newcombe's 95 % interval of how a share changed: `hits` of n, after `hits_before` of n_before.
CREATE OR REPLACE MACRO share_change_low(hits, n, hits_before, n_before) AS
    hits / CAST(n AS DOUBLE) - hits_before / CAST(n_before AS DOUBLE)
    - sqrt(
        power(hits / CAST(n AS DOUBLE) - share_low(hits, n), 2)
        + power(share_high(hits_before, n_before) - hits_before / CAST(n_before AS DOUBLE), 2)
    );

CREATE OR REPLACE MACRO share_change_high(hits, n, hits_before, n_before) AS
    hits / CAST(n AS DOUBLE) - hits_before / CAST(n_before AS DOUBLE)
    + sqrt(
        power(share_high(hits, n) - hits / CAST(n AS DOUBLE), 2)
        + power(hits_before / CAST(n_before AS DOUBLE) - share_low(hits_before, n_before), 2)
    );

-- The variance of the mean of n values, by their population variance; null of fewer than 5.
CREATE OR REPLACE MACRO variance_of_mean(variance, n) AS
    CASE WHEN n >= 5 THEN variance / (n - 1) END;

-- How far from the difference of two means Welch's 95 % interval reaches; null of fewer than 5 values on either side, or where
-- none of them differ.
CREATE OR REPLACE MACRO welch_margin(variance, n, variance_before, n_before) AS
    CASE
        WHEN variance_of_mean(variance, n) + variance_of_mean(variance_before, n_before) > 1e-12
            THEN sqrt(variance_of_mean(variance, n) + variance_of_mean(variance_before, n_before))
                * student_t(
                    power(variance_of_mean(variance, n) + variance_of_mean(variance_before, n_before), 2)
                    / (
                        power(variance_of_mean(variance, n), 2) / (n - 1)
                        + power(variance_of_mean(variance_before, n_before), 2) / (n_before - 1)
                    )
                )
    END;
