-- The information coefficient by horizon with its interval, for the dashboard. The view `information_coefficient` follows the
-- list of horizons, so it is made by `migrate`, as `impact_by_horizon` is.

DROP VIEW IF EXISTS information_coefficient;
