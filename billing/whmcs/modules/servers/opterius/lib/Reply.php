<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** What came back from one request, or how it failed. */
final class Reply
{
    private readonly ?array $json;

    /**
     * @param int $status HTTP status, 0 if none arrived
     * @param int $errno curl's error number, 0 if the answer arrived whole
     * @param bool $sent whether any of the request can have reached the other side
     * @param int|null $retryAfter seconds after which the Panel wants to be asked again, if it said so
     */
    public function __construct(
        public readonly int $status,
        string $body,
        public readonly int $errno,
        public readonly string $error,
        public readonly bool $sent,
        public readonly ?int $retryAfter = null,
    ) {
        $json = $errno === 0 ? json_decode($body, true) : null;
        $this->json = is_array($json) ? $json : null;
    }

    /** The data of a success; null for everything that is not a whole and well-formed one. */
    public function data(): ?array
    {
        $data = $this->json['data'] ?? null;
        return in_array($this->status, [200, 201, 202], true) && is_array($data) ? $data : null;
    }

    /** Whether the answer arrived whole and is JSON. */
    public function isWellFormed(): bool
    {
        return $this->json !== null;
    }

    /**
     * What an answer hands out that opens a door: the address of a sign-in, or a new token.
     *
     * @return list<string>
     */
    public function secrets(): array
    {
        $data = is_array($this->json['data'] ?? null) ? $this->json['data'] : [];
        $found = array_intersect_key($data, ['url' => 1, 'token' => 1, 'access_hash' => 1]);
        return array_values(array_filter($found, 'is_string'));
    }

    /** The cursor of the next page of a list, null on the last one. */
    public function nextPage(): ?string
    {
        $next = $this->json['page']['next'] ?? null;
        return is_string($next) && $next !== '' ? $next : null;
    }

    /**
     * By what pages are known to be of one list.
     *
     * @return array{total: int|null, snapshot: string|null}
     */
    public function page(): array
    {
        $total = $this->json['page']['total'] ?? null;
        $snapshot = $this->json['page']['snapshot'] ?? null;
        return [
            'total' => is_int($total) ? $total : null,
            'snapshot' => is_string($snapshot) ? $snapshot : null,
        ];
    }

    /** The problem that the Panel describes; null if this is not an error of the Panel's own. */
    public function problem(): ?array
    {
        return $this->status >= 400 && is_string($this->json['code'] ?? null) ? $this->json : null;
    }
}
