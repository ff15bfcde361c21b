<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Module\Server\Opterius\Html;
use WHMCS\Module\Server\Opterius\Record;
use WHMCS\Module\Server\Opterius\Ref;

/** The report as a page of the admin area. */
final class Page
{
    /** Seconds for one server. */
    private const BUDGET = 20.0;

    /** Rows of one kind. Beyond this there is one cause behind all of them. */
    private const MOST_ROWS = 200;

    public function __construct(private readonly string $link)
    {
    }

    /** @param array<mixed> $sent the fields of a form that was sent to the page, or nothing */
    public function html(array $sent): string
    {
        try {
            $mending = $sent === [] ? '' : self::said(Mending::asked($sent));
            return $mending . $this->report(Report::make(self::BUDGET));
        } catch (\Throwable $failure) {
            return self::alert('danger', 'The report could not be made: ' . $failure->getMessage());
        }
    }

    private function report(Report $report): string
    {
        $html = '<p>' . Html::text(sprintf(
            'Services and add-ons in WHMCS: %d. Accounts in the Panel: %d. Differences: %d.',
            $report->records,
            $report->accounts,
            count($report->differences),
        )) . ' <a class="btn btn-default btn-sm" href="' . Html::text($this->link . '&action=export') . '">'
            . 'Download export</a></p>';
        foreach ($report->silent as $server => $why) {
            $html .= self::alert('warning', "$server was left out, and nothing is said of its services: $why");
        }
        if ($report->differences === [] && $report->silent === []) {
            $html .= self::alert('success', 'WHMCS and the Panel agree about everything.');
        }
        foreach (Kind::cases() as $kind) {
            $differences = $report->ofKind($kind);
            if ($differences !== []) {
                $html .= $this->section($kind, $differences);
            }
        }
        return $html;
    }

    /** @param list<Difference> $differences */
    private function section(Kind $kind, array $differences): string
    {
        $rows = '';
        foreach (array_slice($differences, 0, self::MOST_ROWS) as $difference) {
            $rows .= $this->row($difference);
        }
        $more = count($differences) - self::MOST_ROWS;
        return '<h2>' . Html::text($kind->title()) . ' <span class="badge">' . count($differences) . '</span></h2>'
            . '<table class="table table-striped"><thead><tr>' . self::heads() . '</tr></thead><tbody>' . $rows
            . '</tbody></table>'
            . ($more > 0 ? '<p>' . Html::text("And $more more.") . '</p>' : '');
    }

    /** As wide in every section, so that the eye can run down the columns. */
    private static function heads(): string
    {
        $heads = ['Service' => 11, 'Client' => 9, 'Domain' => 19, 'Username' => 13, 'What is wrong' => 34, '' => 14];
        $html = '';
        foreach ($heads as $title => $width) {
            $html .= '<th style="width:' . $width . '%">' . Html::text($title) . '</th>';
        }
        return $html;
    }

    private function row(Difference $difference): string
    {
        $record = $difference->record;
        $cells = [
            $record === null ? Html::text($difference->account?->ref) : self::service($record),
            $record === null ? '' : self::client($record->client),
            Html::text($record?->domain ?: $difference->account?->domain),
            Html::text($record?->username ?: $difference->account?->username),
            Html::text($difference->text),
            $this->button($difference),
        ];
        return '<tr><td>' . implode('</td><td>', $cells) . '</td></tr>';
    }

    private function button(Difference $difference): string
    {
        // WHMCS's own commands are for services. An add-on is mended with the same button on its own page.
        if ($difference->mend === null || $difference->record?->ref->kind !== Ref::SERVICE) {
            return $difference->mend === null ? '' : Html::text('Press ' . $difference->mend->label() . ' on its page.');
        }
        $fields = [
            Token::FIELD => Token::forThisSession(),
            'ref' => (string) $difference->record->ref,
            'mend' => $difference->mend->value,
        ];
        $html = '<form method="post" action="' . Html::text($this->link) . '" style="margin:0">';
        foreach ($fields as $name => $value) {
            $html .= '<input type="hidden" name="' . Html::text($name) . '" value="' . Html::text($value) . '">';
        }
        $sure = $difference->mend === Mend::Terminate
            ? ' onclick="return confirm(\'Terminate this account?\')"'
            : '';
        return $html . '<button type="submit" class="btn btn-sm '
            . ($difference->mend === Mend::Terminate ? 'btn-danger' : 'btn-primary') . '"' . $sure . '>'
            . Html::text($difference->mend->label()) . '</button></form>';
    }

    private static function service(Record $record): string
    {
        $addon = $record->ref->kind === Ref::ADDON;
        return '<a href="' . Html::text(
            'clientsservices.php?userid=' . $record->client . '&id=' . $record->service
            . ($addon ? '&aid=' . $record->ref->id : '')
        ) . '">' . Html::text(($addon ? 'Add-on ' : 'Service ') . $record->ref->id) . '</a>';
    }

    private static function client(int $client): string
    {
        return '<a href="' . Html::text('clientssummary.php?userid=' . $client) . '">' . Html::text("Client $client")
            . '</a>';
    }

    private static function said(Mending $mending): string
    {
        return self::alert($mending->done ? 'success' : 'danger', $mending->text);
    }

    private static function alert(string $tone, string $text): string
    {
        return '<div class="alert alert-' . $tone . '">' . Html::text($text) . '</div>';
    }
}
