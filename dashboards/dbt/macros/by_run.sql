{# A view of tapewire that takes parameters, for each run. The statistics themselves are written down once, in the view. #}
{% macro by_run(view) -%}
{%- set found = run_query('select distinct run from ' ~ source('tapewire', 'impact') ~ ' order by run') if execute -%}
{#- Without any run: no rows, and the columns all the same. -#}
{%- set runs = (found.columns[0].values() if execute else []) or [''] -%}
{%- for run in runs %}
{%- set name = "'" ~ run | replace('\\', '\\\\') | replace("'", "\\'") ~ "'" %}
select {{ name }} as run, *
from {{ source('tapewire', view) }}(
    runs = [{{ name }}],
    symbols = [],
    since = '1970-01-01 00:00:00',
    until = '2200-01-01 00:00:00'
)
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
{%- endmacro %}
