-- Sales by country, with its share of all.
SELECT billing_country, count(*) AS invoices, sum(total) AS sales, round(100 * sum(total) / (SELECT sum(total) FROM invoice), 2) AS percent
FROM invoice GROUP BY billing_country ORDER BY sales DESC, billing_country LIMIT 10;

-- The artists who sell best.
SELECT ar.name, count(*) AS sold, sum(il.unit_price * il.quantity) AS revenue
FROM invoice_line il JOIN track t USING (track_id) JOIN album al ON al.album_id = t.album_id JOIN artist ar ON ar.artist_id = al.artist_id
GROUP BY ar.name ORDER BY revenue DESC, ar.name LIMIT 15;

-- The best customer of each country.
SELECT country, customer, spent FROM (
  SELECT c.country, c.first_name || ' ' || c.last_name AS customer, sum(i.total) AS spent,
         rank() OVER (PARTITION BY c.country ORDER BY sum(i.total) DESC) AS place
  FROM customer c JOIN invoice i USING (customer_id) GROUP BY c.country, c.customer_id, c.first_name, c.last_name) ranked
WHERE place = 1 ORDER BY country, customer;

-- Revenue a month, running total, and change from the month before.
WITH monthly AS (SELECT date_trunc('month', invoice_date) AS month, sum(total) AS revenue FROM invoice GROUP BY 1)
SELECT month, revenue, sum(revenue) OVER (ORDER BY month) AS running, revenue - lag(revenue) OVER (ORDER BY month) AS change
FROM monthly ORDER BY month LIMIT 24;

-- Who reports to whom.
WITH RECURSIVE tree AS (
  SELECT employee_id, first_name || ' ' || last_name AS name, title, 1 AS level, last_name::text AS path FROM employee WHERE reports_to IS NULL
  UNION ALL
  SELECT e.employee_id, e.first_name || ' ' || e.last_name, e.title, tree.level + 1, tree.path || '/' || e.last_name
  FROM employee e JOIN tree ON e.reports_to = tree.employee_id)
SELECT level, repeat('  ', level - 1) || name AS name, title, path FROM tree ORDER BY path;

-- The longest track of each genre.
SELECT DISTINCT ON (g.name) g.name AS genre, t.name AS track, t.milliseconds / 1000 AS seconds
FROM genre g JOIN track t USING (genre_id) ORDER BY g.name, t.milliseconds DESC, t.name;

-- Albums without a sale.
SELECT al.title, ar.name FROM album al JOIN artist ar USING (artist_id)
WHERE NOT EXISTS (SELECT 1 FROM track t JOIN invoice_line il USING (track_id) WHERE t.album_id = al.album_id)
ORDER BY ar.name, al.title LIMIT 20;

-- Price classes of tracks, with filters.
SELECT m.name AS media, count(*) AS tracks, count(*) FILTER (WHERE t.unit_price > 1) AS dear, avg(t.milliseconds)::numeric(12,2) AS average,
       min(t.bytes), max(t.composer) FROM track t JOIN media_type m USING (media_type_id)
GROUP BY m.name HAVING count(*) > 5 ORDER BY tracks DESC;

-- Playlists that share the most tracks.
SELECT a.name, b.name, count(*) AS shared FROM playlist_track x JOIN playlist_track y ON x.track_id = y.track_id AND x.playlist_id < y.playlist_id
JOIN playlist a ON a.playlist_id = x.playlist_id JOIN playlist b ON b.playlist_id = y.playlist_id
GROUP BY a.playlist_id, a.name, b.playlist_id, b.name ORDER BY shared DESC, a.playlist_id, b.playlist_id LIMIT 8;

-- Countries of customers, of invoices, and which are in only one of the lists.
(SELECT country FROM customer EXCEPT SELECT billing_country FROM invoice) UNION ALL (SELECT billing_country FROM invoice EXCEPT SELECT country FROM customer) ORDER BY 1;

-- Customers by quartile of what they spend.
SELECT quarter, count(*), min(spent), max(spent), string_agg(last_name, ', ' ORDER BY last_name) FROM (
  SELECT c.last_name, sum(i.total) AS spent, ntile(4) OVER (ORDER BY sum(i.total) DESC, c.customer_id) AS quarter
  FROM customer c JOIN invoice i USING (customer_id) GROUP BY c.customer_id, c.last_name) q GROUP BY quarter ORDER BY quarter;

-- Tracks whose name contains a word, in any case, and their composers.
SELECT name, coalesce(composer, '(unknown)') AS composer, bytes FROM track WHERE name ILIKE '%love%' AND genre_id IN (SELECT genre_id FROM genre WHERE name IN ('Rock', 'Jazz'))
ORDER BY name, track_id LIMIT 12;

-- Employees: ages at hire, and dates.
SELECT last_name, hire_date::date, extract(year FROM age(hire_date, birth_date)) AS age, hire_date - birth_date AS lived FROM employee ORDER BY employee_id;

-- Gaps between a customer's invoices.
SELECT customer_id, invoice_date, invoice_date - lag(invoice_date) OVER w AS gap, first_value(total) OVER w AS first_total
FROM invoice WHERE customer_id < 4 WINDOW w AS (PARTITION BY customer_id ORDER BY invoice_date) ORDER BY customer_id, invoice_date;
