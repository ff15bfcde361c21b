<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Opterius;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Opterius\Record;
use WHMCS\Module\Server\Opterius\Records;
use WHMCS\Module\Server\Opterius\Ref;

/**
 * Presses the button that mends one difference. The page that it stood on may be hours old, so the difference is looked
 * for anew first: nothing is terminated that has been paid meanwhile.
 */
final class Mending
{
    /** Seconds for looking. The command that follows has its own. */
    private const BUDGET = 8.0;

    private function __construct(public readonly bool $done, public readonly string $text)
    {
    }

    /** @param array<mixed> $sent the fields of the form */
    public static function asked(array $sent): self
    {
        if (!Token::isIn($sent)) {
            return new self(false, 'This page was too old, or the form did not come from it. Nothing was done; press '
                . 'the button again.');
        }
        $ref = Ref::parse($sent['ref'] ?? null);
        $mend = Mend::tryFrom(is_string($sent['mend'] ?? null) ? $sent['mend'] : '');
        $record = $ref === null || $ref->kind !== Ref::SERVICE ? null : Records::find($ref);
        if ($mend === null || $record === null) {
            return new self(false, 'There is no such service any more. Nothing was done.');
        }
        $differences = Report::of($record, self::BUDGET);
        if (is_string($differences)) {
            return new self(false, 'Nothing was done: ' . $differences);
        }
        foreach ($differences as $difference) {
            if ($difference->mend === $mend) {
                return self::press($mend, $record);
            }
        }
        return new self(
            false,
            "Nothing was done: service {$record->ref->id} has changed since the page was made, and "
            . "{$mend->label()} is not what it needs now.",
        );
    }

    private static function press(Mend $mend, Record $record): self
    {
        // The documentation calls the parameter serviceid; versions before it did called it accountid.
        $options = ['serviceid' => $record->ref->id, 'accountid' => $record->ref->id] + $mend->options();
        if ($mend === Mend::Suspend) {
            // WHMCS writes down whatever reason it is given, none included.
            $reason = Capsule::table('tblhosting')->where('id', $record->ref->id)->value('suspendreason');
            $options['suspendreason'] = (string) $reason;
        }
        $result = localAPI($mend->command(), $options);
        if (is_array($result) && ($result['result'] ?? null) === 'success') {
            return new self(true, "{$mend->label()} of service {$record->ref->id} has succeeded.");
        }
        $message = is_array($result) && is_string($result['message'] ?? null) ? $result['message'] : 'WHMCS said nothing.';
        return new self(false, "{$mend->label()} of service {$record->ref->id} has failed: $message");
    }
}
