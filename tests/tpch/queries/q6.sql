-- Forecasting revenue change
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM lineitem
WHERE l_shipdate >= date('1994-01-01')
  AND l_shipdate < date('1994-01-01', '+1 year')
  AND l_discount BETWEEN 6 - 1 AND 6 + 1
  AND l_quantity < 24
