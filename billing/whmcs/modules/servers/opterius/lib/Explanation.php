<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** Turns a failed request into what the person at the billing desk needs to know and do. */
final class Explanation
{
    /** What to do where the Panel's own problem brings no hint. `%s` is the button that was pressed. */
    private const HINTS = [
        'package_not_found' => 'Choose the package in the product\'s Module Settings, or create it in the Panel under '
            . 'Server Mode > Packages; a typed name must match exactly, capitals too.',
        'username_taken' => 'Set another username in the service record and press %s again, or delete the '
            . 'conflicting account in the Panel if it is stale.',
        'domain_taken' => 'Correct the domain in the service record and press %s again, or delete the conflicting '
            . 'account in the Panel if it is stale.',
        'external_ref_mismatch' => 'An account for this service exists already, with other data. Make the service '
            . 'record match it, or remove it in the Panel, and press %s again.',
        'external_ref_taken' => 'Terminate the account that this service has now, if the former one is to come back.',
        'account_suspended' => 'Unsuspend the account instead of creating it.',
        'server_full' => 'Let the server have more accounts, or choose another server, and press %s again.',
        'server_not_configured' => 'Finish the set-up of the server in the Panel and press %s again.',
        'provisioning_failed' => 'Everything was undone. Press %s again once the cause is mended.',
        'server_unreachable' => 'Nothing was sent to the server. Press %s again when it is back.',
        'needs_attention' => 'Somebody with access to the Panel has to look at this account before %s can work.',
        'unauthorized' => 'Create a new WHMCS token in the Panel and paste its Access Hash into the server form.',
        'forbidden' => 'Create a new WHMCS token in the Panel, which has all the scopes that this module needs.',
        'other_caller' => 'If this is the WHMCS that sells, allow it in the Panel with `opterius token allow`; if it '
            . 'is a copy, give it no server that customers are on.',
        'internal' => 'Search the Panel\'s log for the request id below.',
    ];

    /** What to do where the Panel's hint is for programs and not for the person who pressed a button in WHMCS. */
    private const HINTS_FOR_STAFF = [
        'limits_below_use' => 'Have the customer free that much first, or choose a larger package; or let the product '
            . 'allow it under Module Settings > Less Than Is Used. Then press %s again.',
        'package_retired' => 'Choose another package in the product\'s Module Settings, or have this one back in the Panel '
            . 'under Server Mode > Packages. Then press %s again.',
        'too_many_requests' => 'Wait a minute and press %s again: nothing was done. If it keeps happening, have somebody '
            . 'look in the Panel under Operations (do many wait?) and under Activity (is the token of this WHMCS refused '
            . 'often?).',
        'account_gone' => 'Press Restore to bring it back as long as it is kept, or Create for a new one.',
    ];

    /** @param string $button what the person has pressed */
    public static function of(Reply $reply, Address $address, string $button = 'the button'): string
    {
        if ($reply->errno !== 0) {
            return self::ofTransport($reply, $address);
        }
        $problem = $reply->problem();
        if ($problem !== null) {
            return self::ofProblem($problem, $button);
        }
        return match (true) {
            $reply->status >= 500 => "$address answers with a server error (HTTP {$reply->status}) that is not "
                . 'from the Panel. Check that the Panel is running.',
            $reply->status >= 400 => "$address answers, but not as an Opterius Panel does (HTTP {$reply->status}). "
                . 'Check the host name and the port of the server.',
            $reply->status >= 300 => "$address sends us elsewhere (HTTP {$reply->status}), which is never followed. "
                . 'Enter the Panel\'s own host name and port in the server form.',
            default => "$address sent an answer that is incomplete or not an Opterius Panel's.",
        };
    }

    /**
     * @param array $problem as the Panel sends it, in an error or with an operation that failed
     * @param string $button what the person has pressed
     */
    public static function ofProblem(array $problem, string $button = 'the button'): string
    {
        $text = static fn (string $key): string => is_string($problem[$key] ?? null) ? trim($problem[$key]) : '';
        $code = $text('code');
        $detail = $text('detail') ?: $text('title') ?: "The Panel refused this ($code)";
        // What cannot be any package's name, such as one with a blank behind it, is for the staff just not found.
        if ($code === 'invalid_request' && $text('field') === 'package') {
            $code = 'package_not_found';
        }
        // The set-up instructions name this message, so it starts the same whatever the Panel's version says.
        if ($code === 'package_not_found' && !str_starts_with($detail, 'Package not found')) {
            $detail = 'Package not found: ' . $detail;
        }
        $refused = 'The Panel refused the token in the Access Hash.';
        $sentences = $code === 'unauthorized' ? [$refused, $detail] : [$detail];
        foreach (is_array($problem['errors'] ?? null) ? $problem['errors'] : [] as $error) {
            $more = is_array($error) && is_string($error['detail'] ?? null) ? $error['detail'] : '';
            $field = is_array($error) && is_string($error['field'] ?? null) ? $error['field'] . ': ' : '';
            if ($more !== '' && !str_contains($detail, $more)) {
                $sentences[] = $field . $more;
            }
        }
        $ours = str_replace('%s', $button, self::HINTS_FOR_STAFF[$code] ?? self::HINTS[$code] ?? '');
        $sentences[] = isset(self::HINTS_FOR_STAFF[$code]) ? $ours : ($text('hint') ?: $ours);
        if ($text('operation_id') !== '') {
            $sentences[] = 'Operation ' . $text('operation_id') . '.';
        }
        return ucfirst(implode(' ', array_map(self::ended(...), array_filter($sentences))));
    }

    private static function ofTransport(Reply $reply, Address $address): string
    {
        return match ($reply->errno) {
            CURLE_COULDNT_RESOLVE_HOST => "The name {$address->host} cannot be resolved. Check the Hostname in the "
                . 'server form and the DNS of the WHMCS server.',
            CURLE_COULDNT_CONNECT => "Nothing accepts connections at $address. Check the port in the server form, that "
                . 'the Panel is running, and the firewalls.',
            CURLE_OPERATION_TIMEDOUT => $reply->sent
                ? "$address took the request but did not answer in time."
                : "$address cannot be reached: the connection timed out. Check the address, the port and the "
                . 'firewalls.',
            CURLE_SSL_PEER_CERTIFICATE, CURLE_SSL_CACERT, CURLE_SSL_CACERT_BADFILE =>
                "The TLS certificate of $address could not be verified ({$reply->error}). Use an Access Hash with "
                . 'pins, or give the Panel a certificate from a public authority for this host name.',
            CURLE_SSL_PINNEDPUBKEYNOTMATCH => "The TLS key of $address is not the one pinned in the Access Hash. If "
                . 'the Panel was set up anew, paste a new Access Hash; otherwise something may be intercepting the '
                . 'connection. Nothing was sent.',
            CURLE_SSL_CONNECT_ERROR => "$address does not complete a TLS handshake ({$reply->error}). Check that "
                . 'the port is the Panel\'s.',
            default => "$address dropped the connection before its answer was complete ({$reply->error}).",
        };
    }

    private static function ended(string $sentence): string
    {
        return preg_match('/[.!?]$/D', $sentence) === 1 ? $sentence : $sentence . '.';
    }
}
