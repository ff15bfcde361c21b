<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use Opterius\Whmcs\StandIn\ModuleLog;
use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Params;
use WHMCS\Module\Server\Opterius\Secrets;

require_once __DIR__ . '/NastyPasswords.php';

final class SecretsTest extends TestCase
{
    public function test_no_password_survives_in_any_encoding(): void
    {
        foreach (NastyPasswords::some() as $password) {
            $secrets = new Secrets($password);
            foreach (ModuleLog::encodings($password) as $encoding => $form) {
                self::assertSame('before [secret] after', $secrets->hide("before $form after"), $encoding);
                self::assertContains($form, $secrets->forms(), $encoding);
            }
        }
    }

    public function test_no_password_survives_within_a_longer_text_in_base64(): void
    {
        foreach (NastyPasswords::some(100) as $password) {
            $secrets = new Secrets($password);
            foreach (['', 'u', 'us', 'user:', 'Bearer '] as $before) {
                foreach (['', 'x', ':xy'] as $after) {
                    $hidden = $secrets->hide(base64_encode($before . $password . $after));
                    self::assertStringContainsString('[secret]', $hidden);
                    // What is left of it on either side does not even hold one letter of a password.
                    self::assertLessThanOrEqual(
                        2 * 4 + intdiv(4 * (strlen($before) + strlen($after)), 3),
                        strlen(str_replace('[secret]', '', $hidden)),
                    );
                }
            }
        }
    }

    public function test_a_secret_that_contains_another_is_hidden_whole(): void
    {
        $secrets = new Secrets('abcd', 'abcdefgh');
        self::assertSame('[secret] [secret]', $secrets->hide('abcdefgh abcd'));
    }

    public function test_missing_and_tiny_values_hide_nothing(): void
    {
        $params = ['password' => '', 'serverpassword' => '8', 'serveraccesshash' => []];
        $secrets = Secrets::fromParams(new Params($params));
        self::assertSame([], $secrets->forms());
        self::assertSame('18 on 8443', $secrets->hide('18 on 8443'));
    }

    public function test_the_token_is_a_secret_even_in_a_malformed_access_hash(): void
    {
        $secrets = Secrets::fromParams(new Params(['serveraccesshash' => " o1.token\nwithout.pins?"]));
        self::assertSame('[secret]', $secrets->hide('tokenwithout'));
    }
}
