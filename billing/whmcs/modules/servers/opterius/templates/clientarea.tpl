{*
    What a client sees of an account, within the product's page. `$opterius` holds the page in every language.

    It stands in themes that share no framework: six has Bootstrap 3, twenty-one Bootstrap 4, nexus its own variables.
    So the parts that only this page has (bars, rows, status) bring the few rules they need, in the theme's own colours
    where it names them; buttons are the theme's.

    To change it, copy it to templates/<your theme>/modules/servers/opterius/templates/clientarea.tpl in WHMCS.
*}
{if isset($language) && isset($opterius[$language])}
    {assign var='page' value=$opterius[$language]}
{else}
    {assign var='page' value=$opterius.english}
{/if}
<style>
    .opterius { text-align: left; margin: 1em 0; }
    .opterius h3 { margin: 0 0 .75em; font-size: 1.25em; }
    .opterius-note { padding: .75em 1em; margin: 0 0 1em; border: 1px solid var(--border-muted, #d8dce0);
        border-radius: var(--rounding-sm, 4px); background: var(--bg-muted, #f7f8f9); color: var(--text-accented, #4b5563); }
    .opterius-use { margin: 0 0 1em; }
    .opterius-use-text { display: flex; flex-wrap: wrap; justify-content: space-between; margin: 0 0 .25em; }
    .opterius-bar { height: .6em; overflow: hidden; border-radius: var(--rounding-sm, 4px); background: var(--bg-accented, #e4e4e7); }
    .opterius-dot { display: inline-block; width: .7em; height: .7em; margin: 0 .45em 0 0; border-radius: 50%; background: var(--success, #2e9e5b); }
    .opterius-bar-used { height: 100%; border-radius: inherit; background: var(--success, #2e9e5b); }
    .opterius-bar-warning { background: var(--warning, #e8890c); }
    .opterius-bar-danger { background: var(--error, #d9342b); }
    .opterius-small { font-size: .85em; color: var(--text-lifted, #6b7280); margin: 0 0 1em; }
    .opterius-rows { display: grid; grid-template-columns: minmax(8em, auto) 1fr; gap: .4em 1.5em; margin: 0 0 1em; }
    .opterius-rows dt { font-weight: 600; }
    .opterius-rows dd { margin: 0; overflow-wrap: anywhere; }
    .opterius-links .btn { margin: 0 .25em .4em 0; }
</style>
<div class="opterius">
    <h3>{$page.title|escape:'html'}</h3>
    {if $page.note}
        <p class="opterius-note" role="status">{$page.note|escape:'html'}</p>
    {/if}
    {foreach $page.bars as $bar}
        <div class="opterius-use">
            <div class="opterius-use-text">
                <strong>{$bar.label|escape:'html'}</strong>
                <span>{$bar.text|escape:'html'}</span>
            </div>
            <div class="opterius-bar" role="progressbar" aria-label="{$bar.label|escape:'html'}" aria-valuemin="0"
                aria-valuemax="100" aria-valuenow="{$bar.percent|escape:'html'}" aria-valuetext="{$bar.text|escape:'html'}">
                <div class="opterius-bar-used opterius-bar-{$bar.tone|escape:'html'}" style="width: {$bar.percent|escape:'html'}%"></div>
            </div>
        </div>
    {/foreach}
    {if $page.measured}
        <p class="opterius-small">{$page.measured|escape:'html'}</p>
    {/if}
    {if $page.status || $page.rows}
        <dl class="opterius-rows">
            {if $page.status}
                <dt>{$page.status.label|escape:'html'}</dt>
                <dd><span class="opterius-dot opterius-bar-{$page.status.tone|escape:'html'}"></span>{$page.status.text|escape:'html'}</dd>
            {/if}
            {if $page.reasons}
                <dt>{$page.reasons.label|escape:'html'}</dt>
                <dd>{foreach $page.reasons.values as $value}<div>{$value|escape:'html'}</div>{/foreach}</dd>
            {/if}
            {foreach $page.rows as $row}
                <dt>{$row.label|escape:'html'}</dt>
                <dd>{foreach $row.values as $value}<div>{$value|escape:'html'}</div>{/foreach}</dd>
            {/foreach}
        </dl>
    {/if}
    {if $page.links}
        <div class="opterius-links">
            {foreach $page.links as $link}
                <a class="btn {if $link.main}btn-primary{else}btn-default{/if}" href="{$link.url|escape:'html'}" target="_blank" rel="noopener">{$link.label|escape:'html'}</a>
            {/foreach}
        </div>
    {/if}
</div>
