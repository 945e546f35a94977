BEGIN;
SELECT id AS package, daily_limit
  FROM handwritten.user_packages
 WHERE account_id = :account AND active AND ends_at > now()
 ORDER BY ends_at LIMIT 1 FOR UPDATE \gset
WITH today AS (
    SELECT least(:amount::bigint, greatest(0, :daily_limit::bigint - coalesce((
        SELECT used FROM handwritten.daily_usage WHERE package_id = :package AND day = current_date), 0))) AS pays
), used AS (
    INSERT INTO handwritten.daily_usage AS d (package_id, day, used)
    SELECT :package, current_date, pays FROM today
    ON CONFLICT (package_id, day) DO UPDATE SET used = d.used + excluded.used
)
SELECT pays AS from_package, :amount - pays AS from_balance FROM today \gset
\if :from_balance > 0
UPDATE handwritten.balances SET balance = balance - :from_balance
 WHERE account_id = :account AND balance >= :from_balance
RETURNING balance \gset
\endif
INSERT INTO handwritten.usage_log (account_id, amount, from_package, from_balance)
VALUES (:account, :amount, :from_package, :from_balance);
COMMIT;
