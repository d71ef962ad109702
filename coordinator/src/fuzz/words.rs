//! What may stand in for a token: SQLite's words, words of other dialects that the parser knows, and odd literals.

use std::sync::LazyLock;

const LINES: &str = r##"
SELECT ¦ FROM ¦ WHERE ¦ GROUP BY ¦ ORDER BY ¦ HAVING ¦ LIMIT ¦ OFFSET ¦ UNION ¦ UNION ALL ¦ EXCEPT ¦ INTERSECT
JOIN ¦ LEFT JOIN ¦ FULL JOIN ¦ NATURAL ¦ USING (k) ¦ ON ¦ AS ¦ WITH ¦ RECURSIVE ¦ VALUES ¦ DISTINCT ¦ ALL
CASE ¦ WHEN ¦ THEN ¦ ELSE ¦ END ¦ IN ¦ NOT ¦ IS ¦ NULL ¦ ISNULL ¦ NOTNULL ¦ LIKE ¦ GLOB ¦ REGEXP ¦ MATCH
ESCAPE ¦ BETWEEN ¦ AND ¦ OR ¦ EXISTS ¦ CAST ¦ COLLATE ¦ NOCASE ¦ OVER ¦ PARTITION BY ¦ WINDOW ¦ FILTER ¦ ROWS
RANGE ¦ GROUPS ¦ EXCLUDE ¦ TIES ¦ CURRENT ROW ¦ UNBOUNDED PRECEDING ¦ FOLLOWING ¦ NULLS FIRST ¦ INDEXED BY
MATERIALIZED ¦ TRUE ¦ FALSE ¦ CURRENT_TIMESTAMP ¦ RAISE ¦ INTO ¦ TABLE ¦ VIEW ¦ EXPLAIN ¦ PRAGMA ¦ ATTACH
INSERT ¦ DELETE ¦ CREATE ¦ LATERAL ¦ QUALIFY ¦ FETCH ¦ TOP ¦ PIVOT ¦ UNNEST ¦ ARRAY ¦ STRUCT ¦ INTERVAL ¦ DATE
TIMESTAMP ¦ EXTRACT ¦ SUBSTRING ¦ POSITION ¦ OVERLAY ¦ TRIM ¦ CEIL ¦ MAP ¦ ROW ¦ GROUPING SETS ¦ ROLLUP ¦ CUBE
JSON_TABLE ¦ MATCH_RECOGNIZE ¦ CONNECT BY ¦ PRIOR ¦ SAMPLE ¦ main ¦ temp ¦ sqlite_schema ¦ rowid ¦ _rowid_ ¦ t
u ¦ r ¦ k ¦ id ¦ n ¦ a ¦ b ¦ a.* ¦ * ¦ count(*) ¦ sum ¦ random() ¦ json_each ¦ group_concat ¦ date('now')
last_insert_rowid() ¦ 1 ¦ 0 ¦ -1 ¦ 1.5e308 ¦ 1e999 ¦ 9223372036854775807 ¦ 9223372036854775808 ¦ 0x7f
0xffffffffffffffff ¦ 1_000 ¦ x'00' ¦ x'0' ¦ 'a' ¦ '' ¦ "k" ¦ [k] ¦ `k` ¦ N'a' ¦ E'\n' ¦ U&'\0041' ¦ $$a$$ ¦ ?
?1 ¦ ?32767 ¦ ?99999 ¦ :a ¦ @a ¦ $a ¦ $a::b ¦ #1 ¦ ( ¦ ) ¦ , ¦ ; ¦ . ¦ = ¦ == ¦ <> ¦ != ¦ <=> ¦ || ¦ | ¦ &
<< ¦ >> ¦ -> ¦ ->> ¦ :: ¦ + ¦ - ¦ ~ ¦ ! ¦ / ¦ % ¦ ^ ¦ [ ¦ ] ¦ { ¦ } ¦ -- ¦ /* ¦ */ ¦ # ¦ \ ¦ @@x ¦ a.b.c.d
IS NOT DISTINCT FROM
"##;

pub(super) static WORDS: LazyLock<Vec<&str>> =
    LazyLock::new(|| LINES.trim().lines().flat_map(|line| line.split(" ¦ ")).collect());
