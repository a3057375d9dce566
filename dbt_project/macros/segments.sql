{#
    A segment that is written wrong would show up as an SQL error of the model, far from
    where it was written.
#}
{% macro segments() %}
    {%- set segments = var('segments') -%}
    {%- if segments is string or segments is not sequence or not segments -%}
        {%- do refuse_segment('`segments` is a list of at least one segment') -%}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for segment in segments -%}
        {%- if segment is not mapping -%}
            {%- do refuse_segment('segment ' ~ loop.index ~ ' is no mapping') -%}
        {%- endif -%}
        {%- set name = segment.name | string -%}
        {%- if not modules.re.fullmatch('[a-z][a-z0-9_]{0,62}', name) -%}
            {%- do refuse_segment(
                'the name of segment ' ~ loop.index ~ ', ' ~ name
                ~ ', is no lower-case word of letters, digits and _ that begins with a letter'
            ) -%}
        {%- endif -%}
        {%- if name in names -%}
            {%- do refuse_segment('the segment ' ~ name ~ ' stands there twice') -%}
        {%- endif -%}
        {%- do names.append(name) -%}
        {%- for key in ['description', 'rule', 'reason'] -%}
            {%- if segment[key] is not string or not segment[key].strip() -%}
                {%- do refuse_segment('the segment ' ~ name ~ ' has no ' ~ key) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for key in segment
            if key not in ['name', 'description', 'rule', 'attribute', 'reason'] -%}
            {%- do refuse_segment('the segment ' ~ name ~ ' has an unknown ' ~ key) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do return(segments) -%}
{% endmacro %}

{% macro refuse_segment(why) %}
    {%- do exceptions.raise_compiler_error('dbt_project.yml: ' ~ why) -%}
{% endmacro %}


{# With a name that no segment has, where none uses a score: `in ()` is no SQL. #}
{% macro segments_with_scores() -%}
    ''
    {%- for segment in segments() if uses_scores(segment) -%}
        , '{{ segment.name }}'
    {%- endfor -%}
{%- endmacro %}


{% macro uses_scores(segment) -%}
    {%- set expressions = segment.rule ~ ' ' ~ segment.attribute -%}
    {{ return(modules.re.search('(?i)\\b(churn|open)_probability', expressions) is not none) }}
{%- endmacro %}
