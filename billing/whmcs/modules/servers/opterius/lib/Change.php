<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * One change of one account, asked of the Panel until it is known what became of it.
 *
 * An answer that got lost says nothing about the change. So we ask the Panel what became of it, and send it again where
 * nothing is known: every change is one that does no harm when it arrives twice. A question alone is not preferred,
 * because only the answer to the change itself speaks of all of it, a password included.
 */
abstract class Change
{
    /** The button in WHMCS, and how to speak of what it does. */
    protected const BUTTON = '';
    protected const DOING = '';
    protected const DONE = '';

    /** What the Panel calls the operations that carry it. */
    protected const KINDS = [];

    private const MOST_SENDS = 3;

    /** Seconds, with room to spare: the Panel answers every change within 20. */
    private const LONGEST_SEND = 25.0;

    /** Of the time that is left, how much one change may take. The rest is for asking. */
    private const SHARE_OF_TIME = 0.875;

    private const LONGEST_LOOK = 5.0;

    /** A definite "no" among the codes that come with a 5xx status. With any other the outcome is not known. */
    private const DEFINITE = ['provisioning_failed', 'server_unreachable', 'server_not_configured', 'needs_attention'];

    protected readonly Ref $ref;
    protected readonly Panel $panel;

    /** The operation that the Panel has named as carrying this change. */
    private ?string $operation = null;

    /** @throws Refusal if WHMCS did not say which service it means, or if its server form is not complete */
    public function __construct(protected readonly Action $action)
    {
        $this->ref = Ref::of($action->params) ?? throw new Refusal(
            'WHMCS did not say which service this is. Open the service and press ' . static::BUTTON . ' there.'
        );
        $this->panel = $action->panel();
    }

    /** Sends the change, once. */
    abstract protected function send(float $timeout): Reply;

    /** Whether what the Panel answered shows that the change is made. */
    abstract protected function isMade(array $account): bool;

    /** What is known of the change from how the account of this service stands; null if that says nothing. */
    protected function seen(array $account): ?Finding
    {
        return null;
    }

    /** The address of the account of this service, and of nobody else's: names are used again, references are not. */
    protected function path(string $rest = ''): string
    {
        return '/api/accounts/ref:' . $this->ref . $rest;
    }

    /**
     * @return array the account, as the answer to the change shows it
     *
     * @throws Refusal unless the change is made
     */
    final protected function carry(): array
    {
        return $this->settled($this->pursue());
    }

    /** Sends the change, and goes on asking and sending until the outcome is known or the time is up. */
    final protected function pursue(): Finding
    {
        $this->operation = null;
        $reply = $this->sendOnce();
        $finding = $reply->sent ? $this->judge($reply) : $this->notSent($reply);
        $sends = 1;
        while ($finding->standing->isOpen() && $this->action->patience->pause()) {
            $found = $this->ask();
            if ($found !== null && $found->standing !== Standing::Active) {
                $finding = $found;
            } elseif ($found === null && $finding->standing === Standing::Running) {
                // The Panel has said that it is at work; that no answer comes just now takes nothing of it back.
                continue;
            } elseif ($sends < self::MOST_SENDS) {
                $sends++;
                $again = $this->judge($this->sendOnce());
                // What was found stays true if this attempt brings no clear answer either.
                $finding = $again->standing === Standing::Unclear && $found !== null ? $found : $again;
            } else {
                return $found ?? $finding;
            }
        }
        return $finding;
    }

    /**
     * @return array the account
     *
     * @throws Refusal
     */
    final protected function settled(Finding $finding): array
    {
        $again = ' press ' . static::BUTTON . ' again: that is safe';
        return match ($finding->standing) {
            Standing::Done, Standing::Active => $finding->account,
            Standing::Refused => throw new Refusal($finding->text, $finding->code),
            Standing::Running => throw new Refusal(
                'The Panel is still ' . static::DOING . '. ' . $finding->text . ' Wait a minute and' . $again
                . ', and takes up the same change.'
            ),
            Standing::Busy => throw new Refusal(
                'Another change of this account is still going on, so this one was not begun. ' . $finding->text
                . ' Wait a minute and' . $again . '.',
                'operation_running',
            ),
            Standing::Unclear => throw new Refusal(
                'It is not known whether ' . static::DONE . ': ' . lcfirst($finding->text)
                . ' It may still be running. Wait a minute and' . $again . '.'
            ),
        };
    }

    /** What a problem of the Panel's means for this change. */
    protected function refused(array $problem): Finding
    {
        $code = is_string($problem['code'] ?? null) ? $problem['code'] : '';
        if ($code === 'not_found') {
            $problem['detail'] = "The Panel has never had an account for this service ({$this->ref}).";
            $problem['hint'] = 'Press Create if it should have one, or check that the service is on the right server.';
        }
        $field = is_string($problem['field'] ?? null) ? $problem['field'] : '';
        return new Finding(Standing::Refused, Explanation::ofProblem($problem, static::BUTTON), $code, field: $field);
    }

    protected function running(mixed $operation): Finding
    {
        $this->operation = is_string($operation) ? $operation : null;
        return new Finding(Standing::Running, self::named($operation));
    }

    final protected function question(string $path, array $query): Reply
    {
        return $this->panel->get($path, $query, $this->shortWhile());
    }

    /** Seconds for one question, so that one without an answer leaves time to send. */
    final protected function shortWhile(): float
    {
        return min(self::LONGEST_LOOK, $this->action->patience->left());
    }

    private function sendOnce(): Reply
    {
        return $this->send(min(self::LONGEST_SEND, self::SHARE_OF_TIME * $this->action->patience->left()));
    }

    private function notSent(Reply $reply): Finding
    {
        return new Finding(Standing::Refused, Explanation::of($reply, $this->panel->address, static::BUTTON));
    }

    /** What the answer to the change means. */
    private function judge(Reply $reply): Finding
    {
        $unclear = new Finding(
            Standing::Unclear,
            Explanation::of($reply, $this->panel->address, static::BUTTON),
        );
        $data = $reply->data();
        if ($data !== null) {
            // 202 only says that it was taken on.
            return match (true) {
                $reply->status === 202 => $this->running($data['id'] ?? null),
                $this->isMade($data) => new Finding(Standing::Done, account: $data),
                default => $this->seen($data) ?? $unclear,
            };
        }
        $problem = $reply->problem();
        if ($problem === null) {
            return $unclear;
        }
        if ($problem['code'] === 'operation_running') {
            return new Finding(Standing::Busy, self::named($problem['operation_id'] ?? null));
        }
        return $reply->status < 500 || in_array($problem['code'], self::DEFINITE, true)
            ? $this->refused($problem)
            : $unclear;
    }

    /** Asks the Panel what became of the change; null if it has nothing to say. */
    private function ask(): ?Finding
    {
        foreach ($this->look('/api/accounts', ['external_ref' => (string) $this->ref]) as $account) {
            // Never the first of a list: only the account that bears our reference.
            if (is_array($account) && ($account['external_ref'] ?? null) === (string) $this->ref) {
                $finding = $this->seen($account) ?? $this->atWork($account);
                if ($finding !== null) {
                    return $finding;
                }
            }
        }
        $operation = $this->operation !== null
            ? $this->look('/api/operations/' . $this->operation, [])
            : $this->look('/api/operations', ['external_ref' => (string) $this->ref, 'limit' => 1])[0] ?? null;
        return is_array($operation) && $this->isOurs($operation) ? $this->judgeOperation($operation) : null;
    }

    private function look(string $path, array $query): array
    {
        return $this->question($path, $query)->data() ?? [];
    }

    private function atWork(array $account): ?Finding
    {
        $id = $account['operation']['id'] ?? null;
        if (($account['operation']['outcome'] ?? null) !== 'running' || !is_string($id)) {
            return null;
        }
        $operation = $this->look('/api/operations/' . $id, []);
        return $this->isOurs($operation) ? $this->judgeOperation($operation) : new Finding(
            Standing::Busy,
            self::named($id),
        );
    }

    private function judgeOperation(array $operation): ?Finding
    {
        $id = $operation['id'] ?? null;
        return match ($operation['outcome'] ?? null) {
            'running' => $this->running($id),
            'committed' => new Finding(Standing::Active, account: [
                'id' => $operation['account_id'] ?? '',
                'username' => $operation['username'] ?? '',
            ]),
            'rolled_back', 'needs_attention', 'not_sent' => $this->refused(
                (is_array($operation['error'] ?? null) ? $operation['error'] : [
                    'code' => $operation['outcome'] === 'needs_attention' ? 'needs_attention' : 'provisioning_failed',
                    'detail' => 'This failed while the Panel was ' . static::DOING . '.',
                ]) + ['operation_id' => $id]
            ),
            default => null,
        };
    }

    /**
     * An operation under our reference may be an earlier attempt's, seen before our own request has even arrived. Ours
     * bears this call's request id, or was named to us in answer to it.
     */
    private function isOurs(array $operation): bool
    {
        $isNamed = $this->operation !== null && ($operation['id'] ?? null) === $this->operation;
        $isOfThisCall = ($operation['request_id'] ?? null) === $this->action->requestId;
        return $isNamed || ($isOfThisCall && in_array($operation['kind'] ?? null, static::KINDS, true));
    }

    private static function named(mixed $operation): string
    {
        return is_string($operation) ? "Operation $operation." : '';
    }
}
