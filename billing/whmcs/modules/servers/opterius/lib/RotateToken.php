<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Puts a new text in the place of the token's, in the Panel and in the server form of WHMCS. The old one works until
 * the new one is first used, so that whatever fails on the way leaves a token that works.
 */
final class RotateToken
{
    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal unless WHMCS has the new token and the Panel takes it */
    public function run(): void
    {
        $panel = $this->action->panel();
        // Before anything changes: whether the new one could be kept at all.
        $replace = Servers::replacementOf($this->action->params->text('serveraccesshash'));
        $reply = $panel->post('/api/self/token', [], $this->action->patience->left());
        $hash = $reply->data()['access_hash'] ?? null;
        if (!is_string($hash)) {
            throw new Refusal(
                Explanation::of($reply, $panel->address, 'Rotate Token') . ' The token that WHMCS has goes on working.'
            );
        }
        $this->action->hide($hash, AccessHash::parse($hash)->token);
        try {
            $replace($hash);
        } catch (\Throwable $failure) {
            $this->action->log->note('WHMCS did not save the new Access Hash: ' . $failure->getMessage());
            throw new Refusal(
                'The Panel made a new token, but WHMCS did not save it. The former one goes on working. Press Rotate '
                . 'Token again.'
            );
        }
        $check = $this->action->panel($hash)->get('/api/self', [], $this->action->patience->left());
        if ($check->data() === null) {
            throw new Refusal(
                'WHMCS has the new token, but using it failed: ' . Explanation::of($check, $panel->address)
                . ' Press Test Connection in the server form.'
            );
        }
    }
}
