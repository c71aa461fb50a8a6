"""jinja2: templates compiled, and a page with a long table rendered."""
import jinja2  # needs: jinja2==3.1.6

PAGE = """<html><head><title>{{ title|e }}</title></head><body>
{% macro cell(value) %}<td>{{ value|e }}</td>{% endmacro %}
<table>{% for row in rows %}<tr class="{{ loop.cycle('odd', 'even') }}">
{%- for value in row.cells %}{{ cell(value) }}{% endfor %}
{%- if row.note %}<td>{{ row.note|upper|truncate(20) }}</td>{% else %}<td>-</td>{% endif %}
</tr>{% endfor %}</table>
{% for group in rows|groupby('kind') %}<h2>{{ group.grouper }}: {{ group.list|length }}</h2>{% endfor %}
</body></html>"""


def main():
    rows = [
        {"cells": [i, "a < b & c %d" % i, i / 7], "kind": i % 11, "note": i % 3 and "note on row %d" % i}
        for i in range(4000)
    ]
    total = 0
    for turn in range(100):
        template = jinja2.Environment().from_string(PAGE + "<!-- %d -->" % turn)
        if turn % 5 == 0:
            total += len(template.render(title="page %d" % turn, rows=rows))
    print(total)


main()
