<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Creates the account that was ordered, and leaves no doubt whether it did.
 *
 * An answer that got lost says nothing about the order. The Panel knows it by its external_ref, so we ask what became
 * of it, and send it again where nothing is known: the same ref never makes a second account. Sending again also makes
 * the password of this very call the account's, which no question can tell, so that is preferred to a mere look.
 */
final class CreateAccount
{
    private const MOST_ORDERS = 3;

    /**
     * Of the time that is left, how much the Panel gets to answer an order: 21 of 24 seconds for the first one. The
     * Panel answers within 20, and the rest is for asking.
     */
    private const SHARE_OF_TIME = 0.875;

    /** Seconds for one question, so that a question without an answer leaves time to order again. */
    private const LONGEST_LOOK = 5.0;

    /** A definite "no" among the codes that come with a 5xx status. With any other the outcome is not known. */
    private const DEFINITE = ['provisioning_failed', 'server_unreachable', 'needs_attention'];

    private Panel $panel;
    private Order $order;

    /** @var list<string> operations that the Panel has named as being about this order */
    private array $operations = [];

    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal unless the account is there and active */
    public function run(): void
    {
        $this->order = Order::fromParams($this->action->params);
        $this->panel = $this->action->panel();

        $finding = $this->place();
        $decoded = $finding->code === 'package_not_found' ? $this->order->withDecodedPackage() : null;
        if ($decoded !== null) {
            $this->order = $decoded;
            $finding = $this->place();
        }
        $this->writeBack($this->settled($finding));
    }

    /** @return array the account */
    private function settled(Finding $finding): array
    {
        return match ($finding->standing) {
            Standing::Done, Standing::Active => $finding->account,
            Standing::Refused => throw new Refusal($finding->text),
            Standing::Running => throw new Refusal(
                'The Panel is still creating this account. ' . $finding->text
                . ' Wait a minute and press Create again: that is safe, and takes up the same account.'
            ),
            Standing::Unclear => throw new Refusal(
                'It is not known whether the account was created: ' . lcfirst($finding->text)
                . ' It may still be running. Press Create again: that is safe, the same service never gets a second '
                . 'account.'
            ),
        };
    }

    /** Orders, and goes on asking and ordering until the outcome is known or the time is up. */
    private function place(): Finding
    {
        $reply = $this->order();
        $finding = $reply->sent
            ? $this->judge($reply)
            : new Finding(Standing::Refused, Explanation::of($reply, $this->panel->address));
        $orders = 1;
        while (
            in_array($finding->standing, [Standing::Active, Standing::Running, Standing::Unclear], true)
            && $this->action->patience->pause()
        ) {
            $found = $this->ask() ?? $finding;
            if ($found->standing === Standing::Running || $found->standing === Standing::Refused) {
                $finding = $found;
            } elseif ($orders < self::MOST_ORDERS) {
                // What was found stays true if this attempt brings no clear answer either.
                $again = $this->judge($this->order());
                $finding = $again->standing === Standing::Unclear && $found->standing === Standing::Active
                    ? $found
                    : $again;
                $orders++;
            } elseif ($found->standing === Standing::Active) {
                return $found;
            } else {
                $finding = $found;
            }
        }
        return $finding;
    }

    private function order(): Reply
    {
        return $this->panel->post(
            '/api/accounts',
            $this->order->body(),
            self::SHARE_OF_TIME * $this->action->patience->left(),
        );
    }

    /** What the answer to an order means. */
    private function judge(Reply $reply): Finding
    {
        $data = $reply->data();
        if ($data !== null) {
            $finding = isset($data['outcome']) ? $this->judgeOperation($data) : $this->judgeAccount($data);
            if ($finding?->standing === Standing::Active) {
                // The answer to an order speaks of that order, password and all; 202 only says that it was taken.
                $standing = $reply->status === 202 ? Standing::Running : Standing::Done;
                return new Finding($standing, account: $finding->account);
            }
            return $finding ?? $this->unclear($reply);
        }
        $problem = $reply->problem();
        if ($problem !== null && ($reply->status < 500 || in_array($problem['code'], self::DEFINITE, true))) {
            return $this->refused($problem);
        }
        return $this->unclear($reply);
    }

    /** Asks the Panel by our ref what became of the order; null if it has nothing to say. */
    private function ask(): ?Finding
    {
        $accounts = $this->look('/api/accounts', []);
        foreach ($accounts as $account) {
            // Never the first of a list: only the account that bears our ref, and only if it is the one ordered.
            if (is_array($account) && $this->order->isFor($account)) {
                $finding = $this->judgeAccount($account);
                if ($finding !== null) {
                    return $finding;
                }
            }
        }
        $operation = $this->look('/api/operations', ['limit' => 1])[0] ?? null;
        return is_array($operation) && $this->isOurs($operation) ? $this->judgeOperation($operation) : null;
    }

    private function look(string $path, array $query): array
    {
        $query = ['external_ref' => $this->order->ref] + $query;
        $timeout = min(self::LONGEST_LOOK, $this->action->patience->left());
        return $this->panel->get($path, $query, $timeout)->data() ?? [];
    }

    private function judgeAccount(array $account): ?Finding
    {
        $status = $account['status'] ?? null;
        $busy = ($account['operation']['outcome'] ?? null) === 'running';
        return match (true) {
            !is_string($account['id'] ?? null) || $account['id'] === '' => null,
            $status === 'provisioning', $status === 'active' && $busy => $this->running(
                $account['operation']['id'] ?? null
            ),
            $status === 'active' => new Finding(Standing::Active, account: $account),
            $status === 'suspended' => $this->refused([
                'code' => 'account_suspended',
                'detail' => 'The account of this service exists already and is suspended.',
            ]),
            default => null,
        };
    }

    private function judgeOperation(array $operation): ?Finding
    {
        return match ($operation['outcome'] ?? null) {
            'running' => $this->running($operation['id'] ?? null),
            'rolled_back', 'needs_attention', 'not_sent' => $this->refused(
                (is_array($operation['error'] ?? null) ? $operation['error'] : [
                    'code' => $operation['outcome'] === 'needs_attention' ? 'needs_attention' : 'provisioning_failed',
                    'detail' => 'The account could not be created.',
                ]) + ['operation_id' => $operation['id'] ?? null]
            ),
            default => null,
        };
    }

    /**
     * An operation under our ref may be an earlier attempt's, seen before our own request has even arrived. Ours bears
     * this call's request id, or was named to us in answer to it.
     */
    private function isOurs(array $operation): bool
    {
        return ($operation['request_id'] ?? null) === $this->action->requestId
            || in_array($operation['id'] ?? null, $this->operations, true);
    }

    private function running(mixed $operation): Finding
    {
        if (!is_string($operation)) {
            return new Finding(Standing::Running);
        }
        $this->operations[] = $operation;
        return new Finding(Standing::Running, "Operation $operation.");
    }

    private function refused(array $problem): Finding
    {
        return new Finding(Standing::Refused, Explanation::ofProblem($problem), (string) ($problem['code'] ?? ''));
    }

    private function unclear(Reply $reply): Finding
    {
        return new Finding(Standing::Unclear, Explanation::of($reply, $this->panel->address));
    }

    /** Tells WHMCS what the Panel made of the order. The account exists, so nothing here may fail the order. */
    private function writeBack(array $account): void
    {
        $model = $this->action->params->model();
        if ($model === null) {
            return;
        }
        $properties = ['Opterius Account ID' => $account['id']];
        $username = $account['username'] ?? null;
        if (is_string($username) && $username !== '' && $username !== $this->order->username) {
            $properties['Username'] = $username;
        }
        try {
            $model->serviceProperties->save($properties);
        } catch (\Throwable $failure) {
            $this->action->log->note(
                'The account was created, but WHMCS did not save ' . implode(', ', array_keys($properties)) . ': '
                . $failure->getMessage()
            );
        }
    }
}
