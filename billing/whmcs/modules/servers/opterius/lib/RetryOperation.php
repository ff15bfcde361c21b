<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Has the server try at once again what it could neither finish nor undo, instead of when its next turn comes. */
final class RetryOperation
{
    /** Seconds, with room to spare: the Panel answers within 20. */
    private const LONGEST_ANSWER = 25.0;

    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal unless the operation ended well */
    public function run(): void
    {
        $account = new AccountQuestion($this->action);
        $last = $account->ask()['operation'] ?? null;
        $kind = is_string($last['kind'] ?? null) ? $last['kind'] : 'none';
        if (!is_string($last['id'] ?? null) || ($last['outcome'] ?? null) !== 'needs_attention') {
            throw new Refusal(
                "No operation of this account waits to be tried again; the last one ($kind) is "
                . strtr(is_string($last['outcome'] ?? null) ? $last['outcome'] : 'unknown', '_', ' ')
                . '. If something is not as it should be, press Show Plan.'
            );
        }
        $timeout = min(self::LONGEST_ANSWER, $this->action->patience->left());
        $reply = $account->panel->post("/api/operations/{$last['id']}/retry", [], $timeout);
        $operation = $reply->data() ?? throw new Refusal(Explanation::of($reply, $account->panel->address, 'Retry'));
        $error = is_array($operation['error'] ?? null) ? $operation['error'] : [];
        match ($operation['outcome'] ?? null) {
            'committed' => null,
            'running' => throw new Refusal(
                "The Panel is trying it again, and not done yet. Operation {$last['id']}. Wait a minute and press "
                . 'Retry Operation again: that is safe.'
            ),
            default => throw new Refusal(Explanation::ofProblem($error + [
                'detail' => "It was tried again and did not succeed. Operation {$last['id']}.",
            ], 'Retry')),
        };
    }
}
