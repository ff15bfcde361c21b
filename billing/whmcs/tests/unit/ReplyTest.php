<?php

declare(strict_types=1);

namespace Opterius\Whmcs\Unit;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Opterius\Reply;

final class ReplyTest extends TestCase
{
    public function test_only_a_whole_answer_with_a_status_of_success_has_data(): void
    {
        $body = '{"data": {"status": "active"}}';
        self::assertSame(['status' => 'active'], (new Reply(201, $body, 0, '', true))->data());
        self::assertNull((new Reply(201, $body, CURLE_PARTIAL_FILE, 'cut off', true))->data());
        self::assertNull((new Reply(500, $body, 0, '', true))->data());
        self::assertNull((new Reply(204, $body, 0, '', true))->data());
        foreach (['', 'null', '0', '[]', '{"data": null}', '{"data": "success"}', substr($body, 0, -1)] as $other) {
            self::assertNull((new Reply(200, $other, 0, '', true))->data());
        }
    }

    public function test_only_the_panels_own_errors_are_problems(): void
    {
        $problem = ['code' => 'internal', 'detail' => 'x'];
        self::assertSame($problem, (new Reply(500, (string) json_encode($problem), 0, '', true))->problem());
        self::assertNull((new Reply(200, (string) json_encode($problem), 0, '', true))->problem());
        foreach (['<html>', '{"error": "nope"}', '{"code": 17}', '"code"'] as $other) {
            self::assertNull((new Reply(500, $other, 0, '', true))->problem());
        }
    }
}
