import { defineConfig } from "@playwright/test";
import { panel, site } from "./host.js";

export default defineConfig({
    testDir: ".",
    // One server and one order of events: what a person does after another.
    workers: 1,
    retries: 0,
    forbidOnly: true,
    timeout: 120_000,
    expect: { timeout: 20_000 },
    reporter: [["list"]],
    outputDir: "results",
    use: {
        baseURL: panel,
        ignoreHTTPSErrors: true,
        locale: "en-GB",
        trace: "retain-on-failure",
        screenshot: "only-on-failure",
        launchOptions: {
            executablePath: new URL("chromium", import.meta.url).pathname,
            args: [
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--no-proxy-server",
                // The accounts' sites, as if their names led to the server.
                `--host-resolver-rules=MAP *.test ${site}`,
            ],
        },
    },
});
