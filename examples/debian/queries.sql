-- What can be asked of the catalogue: one SELECT after the other, each behind a comment that says what it asks.
-- Every ORDER BY is total, so that there is one right answer. `[real sum]` marks answers with sums of reals.

-- 1. Projections and expressions: the biggest downloads, in mebibytes.
SELECT name, version, download_bytes / 1048576 AS mib, upper(section) || '/' || priority AS shelf
FROM package ORDER BY download_bytes DESC, name LIMIT 10;

-- 2. Several directions: the newest-looking versions of the games, by section, then backwards by version.
SELECT section, version, name FROM package WHERE section = 'games' ORDER BY section ASC, version DESC, name ASC LIMIT 20;

-- 3. ORDER BY an alias of an expression: packages that unpack to the most for their download.
SELECT name, installed_kb * 1024.0 / download_bytes AS ratio FROM package
WHERE installed_kb > 1000 AND download_bytes > 0 ORDER BY ratio DESC, name LIMIT 15;

-- 4. ORDER BY ordinals.
SELECT section, architecture, name FROM package WHERE multi_arch = 'allowed' ORDER BY 1 DESC, 2, 3 LIMIT 25;

-- 5. ORDER BY an expression and by columns that are not selected.
SELECT summary FROM package WHERE priority <> 'optional' ORDER BY length(summary) DESC, download_bytes, vendor_id, name LIMIT 30;

-- 6. A collation: names without regard to case, the bytes to break ties.
SELECT DISTINCT source FROM package WHERE source LIKE 'r-%' ORDER BY source COLLATE NOCASE DESC, source LIMIT 20;

-- 7. NULLs last: the smallest packages first, those of unknown size at the end.
SELECT name, installed_kb FROM package WHERE section = 'metapackages' OR installed_kb IS NULL
ORDER BY installed_kb ASC NULLS LAST, name;

-- 8. NULLs first in a descending order, and a page from the middle.
SELECT homepage_host, name FROM package WHERE section IN ('mail', 'news')
ORDER BY homepage_host DESC NULLS FIRST, name LIMIT 20 OFFSET 15;

-- 9. An offset without end: LIMIT -1 is all.
SELECT vendor_id, name FROM vendor WHERE kind = 'team' ORDER BY vendor_id LIMIT -1 OFFSET 5;

-- 10. DISTINCT over two columns.
SELECT DISTINCT architecture, multi_arch FROM package;

-- 11. Every aggregate that splits over shards, over the whole catalogue.
SELECT COUNT(*), COUNT(homepage_host), SUM(download_bytes), TOTAL(download_bytes), AVG(installed_kb), MIN(name), MAX(name),
       MIN(installed_kb), MAX(installed_kb) FROM package;

-- 12. DISTINCT aggregates: the same value on two shards counts once.
SELECT COUNT(DISTINCT section), COUNT(DISTINCT homepage_host), COUNT(DISTINCT source), SUM(DISTINCT installed_kb) FROM package;

-- 13. FILTER: what each condition lets in.
SELECT COUNT(*) FILTER (WHERE architecture = 'all') AS everywhere, COUNT(*) FILTER (WHERE multi_arch IS NULL) AS unmarked,
       AVG(installed_kb) FILTER (WHERE section = 'games') AS game_kb, MAX(download_bytes) FILTER (WHERE section = 'nothing') AS none
FROM package;

-- 14. GROUP BY a column, HAVING, and an order by an aggregate: the large sections.
SELECT section, COUNT(*) AS packages, SUM(download_bytes) AS bytes FROM package
GROUP BY section HAVING COUNT(*) >= 100 ORDER BY packages DESC, section;

-- 15. GROUP BY an expression: packages by the first letter of their name.
SELECT substr(name, 1, 1), COUNT(*), COUNT(DISTINCT vendor_id) FROM package GROUP BY substr(name, 1, 1) ORDER BY 1;

-- 16. GROUP BY an ordinal, with NULL as a group of its own.
SELECT multi_arch, COUNT(*), AVG(download_bytes) FROM package GROUP BY 1 ORDER BY 1;

-- 17. GROUP BY an alias of a CASE: packages by size class.
SELECT CASE WHEN installed_kb IS NULL THEN 'unknown' WHEN installed_kb < 100 THEN 'small' WHEN installed_kb < 10000 THEN 'middle'
            ELSE 'large' END AS class, COUNT(*), MIN(installed_kb), MAX(installed_kb)
FROM package GROUP BY class ORDER BY COUNT(*) DESC, class;

-- 18. Expressions over aggregates: what share of a section runs on every architecture.
SELECT section, 100.0 * SUM(architecture = 'all') / COUNT(*) AS percent, MAX(download_bytes) - MIN(download_bytes) AS spread
FROM package GROUP BY section ORDER BY percent DESC, section;

-- 19. GROUP BY with HAVING on an aggregate that is not selected: the busiest homepages.
SELECT homepage_host FROM package WHERE homepage_host IS NOT NULL
GROUP BY homepage_host HAVING COUNT(DISTINCT vendor_id) > 5 ORDER BY COUNT(*) DESC, homepage_host LIMIT 20;

-- 20. [real sum] A sum and a mean of reals: unpacked gibibytes by section.
SELECT section, SUM(installed_kb / 1048576.0), AVG(installed_kb / 1024.0), TOTAL(download_bytes / 3.0) FROM package
GROUP BY section ORDER BY section;

-- 21. A join on the shard key: the vendors of the largest packages.
SELECT v.name, v.kind, p.name, p.installed_kb FROM package AS p JOIN vendor AS v ON v.vendor_id = p.vendor_id
ORDER BY p.installed_kb DESC, p.name LIMIT 12;

-- 22. A join on the shard key, grouped by it: the most fruitful vendors.
SELECT v.vendor_id, v.name, COUNT(*) AS packages, SUM(p.download_bytes) AS bytes
FROM vendor AS v JOIN package AS p USING (vendor_id) GROUP BY v.vendor_id ORDER BY packages DESC, v.vendor_id LIMIT 20;

-- 23. A join of packages with their dependencies: which sections lean on the most others.
SELECT p.section, COUNT(*) AS dependencies, COUNT(DISTINCT d.target) AS targets, AVG(d.pos)
FROM package AS p JOIN dependency AS d ON d.vendor_id = p.vendor_id AND d.package = p.name
GROUP BY p.section ORDER BY dependencies DESC, p.section;

-- 24. Three tables of one vendor: games with a graphical interface that need libsdl.
SELECT p.name, d.target, d.op, d.target_version FROM package AS p
JOIN tag AS t ON t.vendor_id = p.vendor_id AND t.package = p.name
JOIN dependency AS d ON d.vendor_id = p.vendor_id AND d.package = p.name
WHERE t.facet = 'interface' AND t.value = 'graphical' AND d.target GLOB 'libsdl*' AND p.section = 'games'
ORDER BY p.name, d.target, d.kind, d.pos, d.alt;

-- 25. An outer join on the shard key: packages of the first vendors, with their role or NULL.
SELECT p.vendor_id, p.name, t.value FROM package AS p
LEFT JOIN tag AS t ON t.vendor_id = p.vendor_id AND t.package = p.name AND t.facet = 'role'
WHERE p.vendor_id < 100 ORDER BY t.value NULLS FIRST, p.name LIMIT 40;

-- 26. A join with a replicated table: dependencies by how much they bind.
SELECT k.strength, k.kind, COUNT(*), COUNT(d.op), COUNT(DISTINCT d.package)
FROM dependency AS d JOIN dependency_kind AS k ON k.kind = d.kind GROUP BY k.strength, k.kind ORDER BY k.strength DESC;

-- 27. A subquery over a replicated table: how many alternatives are not installed by default.
SELECT COUNT(*) FROM dependency WHERE alt > 0 AND kind IN (SELECT kind FROM dependency_kind WHERE by_default = 0);

-- 28. EXISTS, tied by the shard key: large packages that have no tag.
SELECT name, installed_kb FROM package AS p WHERE installed_kb > 200000 AND NOT EXISTS (
  SELECT 1 FROM tag AS t WHERE t.vendor_id = p.vendor_id AND t.package = p.name) ORDER BY installed_kb DESC, name;

-- 29. A scalar subquery, tied by the shard key: each game and the number of its vendor's games.
SELECT p.name, (SELECT COUNT(*) FROM package AS q WHERE q.vendor_id = p.vendor_id AND q.section = 'games') AS siblings
FROM package AS p WHERE p.section = 'games' ORDER BY siblings DESC, p.name LIMIT 15;

-- 30. A derived table that groups by the shard key: how many vendors have how many packages.
SELECT packages, COUNT(*) AS vendors FROM (SELECT vendor_id, COUNT(*) AS packages FROM package GROUP BY vendor_id)
GROUP BY packages ORDER BY packages;

-- 31. A WITH table of that kind, joined back: the vendors' heaviest package beside their mean.
WITH size AS (SELECT vendor_id, MAX(installed_kb) AS most, AVG(installed_kb) AS mean FROM package GROUP BY vendor_id)
SELECT v.name, s.most, s.mean FROM size AS s JOIN vendor AS v ON v.vendor_id = s.vendor_id
ORDER BY s.most DESC NULLS LAST, v.vendor_id LIMIT 20;

-- 32. A window that partitions by the shard key: the three largest packages of each vendor.
SELECT vendor_id, place, name FROM (
  SELECT vendor_id, name, row_number() OVER (PARTITION BY vendor_id ORDER BY download_bytes DESC, name) AS place FROM package)
WHERE place <= 3 ORDER BY vendor_id, place;

-- 33. An aggregate that does not split, grouped by the shard key: JSON of the vendors' sections.
SELECT vendor_id, json_group_array(section ORDER BY section) AS sections, json_array_length(json_group_array(section)) AS n
FROM (SELECT DISTINCT vendor_id, section FROM package) GROUP BY vendor_id ORDER BY n DESC, vendor_id LIMIT 10;

-- 34. JSON made and taken apart row by row.
SELECT json_object('name', name, 'kb', installed_kb, 'host', homepage_host) AS card,
       json_object('kb', installed_kb) ->> '$.kb' AS kb
FROM package WHERE section = 'kernel' ORDER BY name LIMIT 10;

-- 35. UNION ALL: packages and the targets of their dependencies that are named like a kernel module.
SELECT 'package' AS what, name AS name, vendor_id AS vendor FROM package WHERE name LIKE '%-dkms'
UNION ALL
SELECT 'target', target, vendor_id FROM dependency WHERE target LIKE '%-dkms'
ORDER BY name, what, vendor;

-- 36. UNION: the same name once, whichever shard it comes from.
SELECT facet AS word FROM tag UNION SELECT section FROM package ORDER BY word;

-- 37. CAST and arithmetic on text: upstream's major version where it is a number.
SELECT CAST(version AS INTEGER) AS major, COUNT(*), CAST(AVG(download_bytes) AS INTEGER), MAX(typeof(CAST(version AS REAL)))
FROM package WHERE version GLOB '[0-9]*' GROUP BY major ORDER BY COUNT(*) DESC, major LIMIT 20;

-- 38. LIKE with ESCAPE, and GLOB: libraries whose summary holds an underscore, or a digit between brackets at its end.
SELECT name, summary FROM package
WHERE name GLOB 'lib[a-z]*' AND (summary LIKE '%\_%' ESCAPE '\' OR summary GLOB '*([0-9])') ORDER BY name LIMIT 25;

-- 39. Row values: a page of a list that goes on where the last one ended.
SELECT section, name FROM package WHERE (section, name) > ('libdevel', 'libx') AND section < 'lisp' ORDER BY section, name LIMIT 25;

-- 40. IS, IS NOT and IS DISTINCT FROM with NULLs.
SELECT COUNT(*) FILTER (WHERE multi_arch IS NOT 'same') AS a, COUNT(*) FILTER (WHERE multi_arch IS DISTINCT FROM 'same') AS b,
       COUNT(*) FILTER (WHERE multi_arch IS NOT DISTINCT FROM NULL) AS c, COUNT(*) FILTER (WHERE multi_arch <> 'same') AS d
FROM package;

-- 41. Text that is not ASCII: summaries that hold more bytes than characters.
SELECT name, summary, length(summary), octet_length(summary) FROM package WHERE length(summary) <> octet_length(summary)
ORDER BY name;

-- 42. BETWEEN, IN and NOT over 64-bit numbers; a bitwise expression.
SELECT name, download_bytes, download_bytes << 20 AS shifted, download_bytes % 1000 FROM package
WHERE download_bytes BETWEEN 50000000 AND 200000000 AND NOT section IN ('doc', 'games') ORDER BY download_bytes DESC, name;

-- 43. One shard: the packages of one vendor. Any SQLite SQL works there.
SELECT name, section, lag(name) OVER (ORDER BY name) AS before FROM package WHERE vendor_id = 51 ORDER BY name LIMIT 10;

-- 44. One shard: what a package of one vendor needs, followed down through the packages of that vendor.
WITH RECURSIVE need (package, depth) AS (
  SELECT 'cme', 0
  UNION
  SELECT d.target, need.depth + 1 FROM need JOIN dependency AS d ON d.vendor_id = 51 AND d.package = need.package
  WHERE d.kind = 'Depends' AND need.depth < 4)
SELECT package, MIN(depth) FROM need GROUP BY package ORDER BY 2, 1;

-- 45. Five shards: a list of vendors, and one that there is not.
SELECT vendor_id, COUNT(*), SUM(download_bytes) FROM package WHERE vendor_id IN (10, 32, 51, 85, 90, 999999)
GROUP BY vendor_id ORDER BY vendor_id;

-- 46. No shard: a vendor that there is not.
SELECT COUNT(*), SUM(installed_kb), TOTAL(installed_kb) FROM package WHERE vendor_id = 999999;

-- 47. Where a package is, without its vendor: every shard looks into its index.
SELECT vendor_id, name, version, installed_kb FROM package WHERE name IN ('firefox-esr', 'cme', 'acpi-call-dkms', 'gcc', '0ad');

-- 48. Who needs a library: the most wanted targets.
SELECT target, COUNT(*) AS wanted, COUNT(DISTINCT vendor_id) AS vendors FROM dependency WHERE kind = 'Depends'
GROUP BY target ORDER BY wanted DESC, target LIMIT 25;

-- 49. MIN and MAX of expressions, and an order by one of them.
SELECT section, MAX(installed_kb), COUNT(*) - COUNT(installed_kb) AS unknown, MIN(length(summary)), MAX(length(summary))
FROM package GROUP BY section ORDER BY MAX(installed_kb) DESC, section LIMIT 12;
