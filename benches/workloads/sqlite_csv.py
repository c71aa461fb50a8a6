"""sqlite3 and csv: rows written, read, stored, queried."""
import csv
import io
import sqlite3


def main():
    out = io.StringIO()
    writer = csv.writer(out)
    for i in range(250000):
        writer.writerow([i, "name %d" % (i % 1009), i / 9, "comment on row %d" % i])
    rows = list(csv.reader(io.StringIO(out.getvalue())))
    db = sqlite3.connect(":memory:")
    db.execute("create table t (id integer, name text, value real, note text)")
    db.executemany("insert into t values (?, ?, ?, ?)", rows)
    found = db.execute("select * from t where id % 3 order by name, id").fetchall()
    sums = db.execute("select name, sum(value), count(*) from t group by name").fetchall()
    print(len(rows), len(found), len(sums), round(sum(row[1] for row in sums)))


main()
