<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

use WHMCS\Database\Capsule;

/**
 * Says before somebody pays what could not be set up afterwards. It says so only of what the Panel knows for sure: an
 * order passes if nobody can be asked, since it can be created later.
 */
final class CartCheck
{
    /** Seconds for the whole cart, and for one question. */
    private const BUDGET = 4.0;
    private const LONGEST_QUESTION = 2.0;

    /** What is only so for now. */
    private const PASSES = ['server_unreachable', 'server_not_configured'];

    private readonly Patience $patience;

    private function __construct()
    {
        $this->patience = new Patience(self::BUDGET);
    }

    /** @return list<string> what is in the way of the order that is in the cart, for the client to read */
    public static function answer(): array
    {
        $check = new self();
        $found = [];
        $domains = [];
        foreach (is_array($_SESSION['cart']['products'] ?? null) ? $_SESSION['cart']['products'] : [] as $item) {
            try {
                $found = [...$found, ...$check->item(is_array($item) ? $item : [], $domains)];
            } catch (\Throwable $failure) {
                (new ModuleLog('ShoppingCartValidateCheckout', new Secrets()))->note(
                    'The cart could not be checked, so the order passes: ' . $failure->getMessage()
                );
            }
        }
        return array_map(Html::text(...), array_values(array_unique($found)));
    }

    /**
     * @param array<string, true> $domains those that the cart has had so far
     *
     * @return list<string>
     */
    private function item(array $item, array &$domains): array
    {
        $product = Capsule::table('tblproducts')->where('id', (int) ($item['pid'] ?? 0))
            ->where('servertype', 'opterius')->first();
        $domain = Domain::clean(is_string($item['domain'] ?? null) ? $item['domain'] : '');
        if ($product === null || $domain === '') {
            return [];
        }
        $ascii = Domain::ascii($domain);
        if (isset($domains[$ascii])) {
            return ["The domain $domain is in this order twice. Please remove it once, or choose another one."];
        }
        $domains[$ascii] = true;
        return $this->problems($product, $domain, $this->username($product, $item));
    }

    /** A name that the client has wished for. */
    private function username(object $product, array $item): string
    {
        $fields = is_array($item['customfields'] ?? null) ? $item['customfields'] : [];
        $own = ['type' => 'product', 'relid' => $product->id];
        foreach (Capsule::table('tblcustomfields')->where($own)->get() as $field) {
            $value = $fields[$field->id] ?? '';
            if (explode('|', (string) $field->fieldname)[0] === 'Username' && is_string($value)) {
                return strtolower(trim(Entities::decode($value)));
            }
        }
        return '';
    }

    /**
     * What every server says that WHMCS may choose for this product.
     *
     * @return list<string>
     */
    private function problems(object $product, string $domain, string $username): array
    {
        $settings = array_filter((array) $product, static fn (mixed $value): bool => is_scalar($value));
        $found = [];
        foreach (Servers::ofGroup((int) $product->servergroup) as $server) {
            $found = Action::perform(
                'ShoppingCartValidateCheckout',
                $server + $settings,
                min(self::LONGEST_QUESTION, $this->patience->left()),
                fn (Action $action): array => $this->ask($action, (string) $product->name, $domain, $username),
                static fn (): array => [],
            );
            if ($found === []) {
                return [];
            }
        }
        return $found;
    }

    /** @return list<string> */
    private function ask(Action $action, string $product, string $domain, string $username): array
    {
        $options = new ProductOptions($action->params);
        $query = ['domain' => Domain::ascii($domain), 'username' => $username, 'server' => $options->server()]
            + Sale::choice($options->package());
        $query = array_filter($query, static fn (string $value): bool => $value !== '');
        $panel = $action->panel();
        $reply = $panel->get('/api/availability', $query, $action->patience->left());
        $answer = $reply->data() ?? throw new Refusal(Explanation::of($reply, $panel->address));
        $problem = static fn (string $part): array => is_array($answer[$part]['problem'] ?? null)
            ? $answer[$part]['problem']
            : [];
        $sentences = [];
        if ($problem('domain') !== []) {
            $sentences[] = ($problem('domain')['code'] ?? null) === 'domain_taken'
                ? "The domain $domain is hosted with us already. Please choose another one, or contact us if it is "
                . 'yours.'
                : "The domain $domain cannot be hosted: " . self::detail($problem('domain'));
        }
        if ($problem('username') !== []) {
            $sentences[] = ($problem('username')['code'] ?? null) === 'username_taken'
                ? "The username $username is taken. Please choose another one."
                : "The username $username cannot be used: " . self::detail($problem('username'));
        }
        foreach (['package', 'server'] as $part) {
            if ($problem($part) !== [] && !in_array($problem($part)['code'] ?? null, self::PASSES, true)) {
                // Nothing that the client could do about it, and something that the host should know.
                $sentences[] = "$product cannot be ordered just now. Please contact us.";
                $action->log->note("A client could not order $product: " . self::detail($problem($part)));
                if (function_exists('logActivity')) {
                    logActivity("Opterius: a client could not order $product: " . self::detail($problem($part)));
                }
            }
        }
        return $sentences;
    }

    private static function detail(array $problem): string
    {
        return is_string($problem['detail'] ?? null) ? $problem['detail'] : 'no reason was given.';
    }
}
