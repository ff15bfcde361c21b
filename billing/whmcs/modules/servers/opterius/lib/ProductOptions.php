<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * The Module Settings of a product. WHMCS stores them by their position and hands them over as configoption1 to 24, so
 * their order is a format on the disks of every host: new ones are appended, none is moved or taken out.
 */
final class ProductOptions
{
    private const PACKAGE = 1;
    private const KEPT_DAYS = 2;
    private const BELOW_USE = 3;
    private const TERMINATION = 4;
    private const HAND_MADE = 5;
    private const SERVER = 6;

    /** From here on the limits, in this order. */
    private const FIRST_LIMIT = 7;
    public const LIMITS = [
        'disk_mib', 'files', 'bandwidth_gib', 'php_workers', 'php_memory_mib', 'cpu_percent', 'memory_mib', 'processes',
    ];

    public function __construct(private readonly Params $params)
    {
    }

    /** As WHMCS wants them described. With a loader it renders a text field as a drop-down. */
    public static function described(): array
    {
        $options = [
            'Package Name' => [
                'Type' => 'text',
                'Size' => '40',
                'Description' => 'The Opterius package. If typed: its exact name, capitals count.',
                'Loader' => 'opterius_PackageLoader',
                'SimpleMode' => true,
            ],
            'Days Kept' => [
                'Type' => 'text',
                'Size' => '5',
                'Description' => 'after a termination, during which Restore works: 0 to 365. Empty: as the Panel says.',
            ],
            'Less Than Is Used' => [
                'Type' => 'dropdown',
                'Options' => ['refuse' => 'is refused, with the numbers', 'apply' => 'is applied all the same'],
                'Default' => 'refuse',
                'Description' => 'What becomes of a change to less than the account uses.',
            ],
            'Who May Terminate' => [
                'Type' => 'dropdown',
                'Options' => ['anybody' => 'staff and automation', 'staff' => 'staff only'],
                'Default' => 'anybody',
                'Description' => 'With "staff only" a termination by the cron fails and waits in the Module Queue.',
            ],
            'Limits Set By Hand' => [
                'Type' => 'dropdown',
                'Options' => ['drop' => 'end with a change of package', 'keep' => 'outlive a change of package'],
                'Default' => 'drop',
                'Description' => 'Limits that staff gave one account in the Panel.',
            ],
            'Server Name' => [
                'Type' => 'text',
                'Size' => '25',
                'Description' => 'The server in the Panel to create on. Empty: the default one.',
            ],
        ];
        $labels = Limits::labels();
        foreach (self::LIMITS as $limit) {
            $options[$labels[$limit]] = [
                'Type' => 'text',
                'Size' => '12',
                'Description' => self::example($limit) . '. Empty: as the package says.',
            ];
        }
        return $options;
    }

    public function package(): string
    {
        return $this->text(self::PACKAGE);
    }

    /** @throws Refusal */
    public function keptDays(): ?int
    {
        $text = trim($this->text(self::KEPT_DAYS));
        if ($text === '') {
            return null;
        }
        if (preg_match('/^\d{1,3}$/D', $text) !== 1 || (int) $text > 365) {
            throw new Refusal(
                'The setting Days Kept of this product is not a whole number from 0 to 365. Correct it in the '
                . 'product\'s Module Settings; empty means as the Panel says.'
            );
        }
        return (int) $text;
    }

    public function appliesLessThanIsUsed(): bool
    {
        return $this->text(self::BELOW_USE) === 'apply';
    }

    public function onlyStaffTerminates(): bool
    {
        return $this->text(self::TERMINATION) === 'staff';
    }

    public function keepsLimitsSetByHand(): bool
    {
        return $this->text(self::HAND_MADE) === 'keep';
    }

    public function server(): string
    {
        return trim(Entities::decode($this->text(self::SERVER)));
    }

    /** @return array<string, string> as they were typed, by the Panel's name of the limit */
    public function limits(): array
    {
        $limits = [];
        foreach (self::LIMITS as $number => $limit) {
            $limits[$limit] = $this->text(self::FIRST_LIMIT + $number);
        }
        return $limits;
    }

    private function text(int $position): string
    {
        return $this->params->text('configoption' . $position);
    }

    private static function example(string $limit): string
    {
        return match ($limit) {
            'disk_mib', 'bandwidth_gib' => 'Such as 20 GB, or unlimited',
            'php_memory_mib', 'memory_mib' => 'Such as 512 MB, or unlimited',
            'cpu_percent' => 'Percent of one CPU, such as 100, or unlimited',
            default => 'A whole number, or unlimited',
        };
    }
}
