<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Contract;

use Opterius\Whmcs\StandIn\PanelTestCase;
use Opterius\Whmcs\StandIn\Whmcs;
use Opterius\Whmcs\Unit\NastyPasswords;

require_once dirname(__DIR__) . '/unit/NastyPasswords.php';

/**
 * Whether WHMCS hands values over as they were entered or as they stand in HTML is not documented and has differed. Either
 * way everything arrives as it was meant.
 */
final class EncodedValuesTest extends PanelTestCase
{
    private const ROUNDS = 20;

    /** As they are sold, and as machines know them. */
    private const DOMAINS = [
        'Example%d.com' => 'example%d.com',
        'x%d.bücher.example' => 'x%d.xn--bcher-kva.example',
        'ＷＩＤＥ%d.com' => 'wide%d.com',
        'y%d.xn--bcher-kva.example' => 'y%d.xn--bcher-kva.example',
        'a-b%d.co.uk' => 'a-b%d.co.uk',
    ];

    /** @return list<string> texts in which encoding changes nearly every letter */
    private static function texts(): array
    {
        // Neither is one that reads as if it had been encoded: that one cannot be told from an encoded one.
        $plain = static fn (string $text): bool => !preg_match('/&(amp|lt|gt|quot|#0?39|apos);/', $text);
        return array_values(array_filter(NastyPasswords::some(), $plain));
    }

    /** @dataProvider encodings */
    public function test_whatever_was_entered_arrives_as_it_was_meant(bool $encoded): void
    {
        mt_srand(20260101);
        $this->installation->encodesHtml = $encoded;
        $texts = self::texts();
        for ($round = 0; $round < self::ROUNDS; $round++) {
            [$password, $another, $reason, $package, $name] = array_slice($texts, 5 * $round, 5);
            $package = trim(mb_substr($package, 0, 40)) . $round;
            $this->panel->set(['packages' => [['id' => "id-$round", 'name' => $package, 'limits' => []]]]);
            $sold = array_keys(self::DOMAINS)[$round % count(self::DOMAINS)];
            $domain = sprintf($sold, $round);
            $email = 'a&b+' . $round . '#%@example.org';
            $this->installation->client([
                'id' => 100 + $round, 'firstname' => $name, 'lastname' => $reason, 'companyname' => $password,
                'email' => $email,
            ]);
            $this->installation->product(['id' => 100 + $round, 'configoption1' => $package]);
            $this->installation->option(100 + $round, 'Databases & "more"', Whmcs::QUANTITY);
            $this->installation->option(100 + $round, 'disk_mib|Disk & <Space>', Whmcs::DROPDOWN, ['2048|2 GB & "more"']);
            $service = $this->installation->service([
                'userid' => 100 + $round, 'packageid' => 100 + $round, 'domain' => $domain, 'username' => "User$round",
                'password' => encrypt($password),
            ]);
            $service->choose('disk_mib', '2048');

            self::assertSame('success', $service->create(), "$domain $package");
            $account = $this->panel->account("s{$service->id}");
            self::assertSame([
                "user$round", sprintf(self::DOMAINS[$sold], $round), $email, 'c' . (100 + $round), $package,
            ], [
                $account['username'], $account['domain'], $account['email'], $account['client_ref'],
                $account['package']['name'],
            ]);
            self::assertSame(['disk_mib' => 2048], $account['overrides']);
            self::assertSame($password, $this->panel->state()['passwords']["user$round"]);
            self::assertSame($domain, $service->row()['domain']);

            self::assertSame('success', $service->changePassword($another));
            self::assertSame($another, $this->panel->state()['passwords']["user$round"]);
            self::assertSame('success', $service->suspend($encoded ? htmlspecialchars($reason, ENT_QUOTES) : $reason));
            self::assertSame(
                trim((string) preg_replace('/\s+/', ' ', $reason)),
                $this->panel->account("s{$service->id}")['holds'][0]['reason'],
            );
        }
    }

    public function encodings(): array
    {
        return ['as entered' => [false], 'as in HTML' => [true]];
    }
}
