<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * Gives the account the password that was typed. WHMCS shows the result to the client, so that the sentence names no
 * server, no token and no operation; what staff need to know is in the Module Log, under the same request id.
 */
final class ChangePassword extends Change
{
    protected const BUTTON = 'Change Password';
    protected const DOING = 'changing the password';
    protected const DONE = 'the password was changed';
    protected const KINDS = ['password'];

    private const FOR_CLIENTS = [
        'account_suspended' => 'The password cannot be changed while the account is suspended.',
        'account_gone' => 'The account does not exist any more, so its password cannot be changed. Please contact us.',
        'not_found' => 'There is no account whose password could be changed. Please contact us.',
        'operation_running' => 'The account is just being changed. Please try again in a minute.',
        'too_many_requests' => 'There were too many attempts. Please try again in a minute.',
    ];

    /** @throws Refusal unless this is the password now, with a sentence for whoever is in front of WHMCS */
    public static function perform(Action $action): void
    {
        try {
            (new self($action))->run();
        } catch (\Throwable $failure) {
            if (Staff::isPresent()) {
                throw $failure;
            }
            $action->log->note(sprintf('%s: %s', $failure::class, $failure->getMessage()));
            throw self::forClients($failure instanceof Refusal ? $failure : new Refusal(''));
        }
    }

    private function run(): void
    {
        if ($this->password() === '') {
            throw new Refusal('The password is empty: enter one of at least 8 characters.', 'invalid_request');
        }
        $this->carry();
    }

    protected function send(float $timeout): Reply
    {
        return $this->panel->put($this->path('/password'), ['password' => $this->password()], $timeout);
    }

    protected function isMade(array $account): bool
    {
        return is_string($account['id'] ?? null);
    }

    /** As it was typed: a password may begin or end with a blank. */
    private function password(): string
    {
        $password = Entities::decode($this->action->params->text('password'));
        if (!mb_check_encoding($password, 'UTF-8')) {
            throw new Refusal(
                'The password contains bytes that are not UTF-8 text. Type it anew.',
                'invalid_request',
            );
        }
        return $password;
    }

    private static function forClients(Refusal $refusal): Refusal
    {
        // What is wrong with a password is for whoever typed it.
        return $refusal->reason === 'invalid_request' ? $refusal : new Refusal(
            self::FOR_CLIENTS[$refusal->reason]
                ?? 'The password could not be changed just now. Please try again in a few minutes, or contact us.'
        );
    }
}
