// What the host's people do on a day, one after the other, on the real Panel, Agent and server.
import { expect, test } from "@playwright/test";
import { complaints, password, server, signIn } from "./host.js";

test.describe.configure({ mode: "serial" });

let page;
let said;

// A step of the Agent goes slowly from now on, so that people see it; without points, none does any more.
function slowly(points) {
    server("sh", "-ec", 'printf %s "$1" >/run/opterius/failpoints', "sh", points);
}

// Opens the site of a domain: its status and its text.
async function visit(domain) {
    const visitor = await page.context().newPage();
    const answer = await visitor.goto(`http://${domain}/`);
    const seen = { status: answer.status(), text: await visitor.locator("body").innerText() };
    await visitor.close();
    return seen;
}

async function order(username, domain) {
    await page.goto("/accounts/new");
    await page.getByLabel("Username").fill(username);
    await page.getByLabel("Domain").fill(domain);
    await page.getByLabel("Package").selectOption({ label: "Studio" });
}

test.beforeAll(async ({ browser }) => {
    page = await (await browser.newContext()).newPage();
    said = complaints(page);
});

test.afterAll(async () => {
    await page.context().close();
});

test("signs in with the keyboard alone, after a mistake", async () => {
    await page.goto("/");
    await expect(page).toHaveURL("/enter");
    await page.keyboard.type("admin");
    await page.keyboard.press("Tab");
    await page.keyboard.type("not this one");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("alert")).toContainText("password");
    // That it was refused is an error to the browser, not to us.
    expect(said.splice(0).every((line) => line.includes("401"))).toBe(true);
    await page.getByLabel("Password").fill(password);
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Dashboard");
});

test("makes a package", async () => {
    await page.getByRole("link", { name: "Packages" }).click();
    await page.getByRole("link", { name: "New package" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill("Studio");
    await page.getByLabel("Disk space (MiB)").fill("2048");
    await page.getByRole("button", { name: "Save" }).click();
    await page.goto("/packages");
    await expect(page.getByRole("row", { name: /Studio/ })).toContainText("2 GiB");
});

test("creates an account and watches its steps", async () => {
    await order("alice", "shop.test");
    const checks = page.locator("#checks");
    await expect(checks).toContainText("already");
    await page.getByLabel("Username").fill("shopper");
    await expect(checks).toContainText("shopper: free");
    await expect(checks).toContainText("shop.test: free");
    await expect(checks).toContainText("This would be done");
    slowly("add_zone.before=sleep(3000)");
    await page.getByRole("button", { name: "Create the account" }).click();
    await expect(page).toHaveURL(/\/operations\//);
    const step = (name) => page.getByRole("listitem").filter({ hasText: name });
    // One by one: the zone is still being made while others are done, with their times.
    await expect(step("linux user")).toContainText(/done.*\d+ m?s/s);
    await expect(step("dns zone")).toContainText("is being done");
    await expect(page.getByRole("link", { name: "Open the site" })).toHaveCount(0);
    await expect(step("dns zone")).toContainText("done");
    await expect(page.getByRole("status")).toContainText("All of it is done");
    slowly("");
});

test("opens its site", async () => {
    await expect(page.getByRole("link", { name: "Open the site" })).toHaveAttribute("href", "http://shop.test/");
    expect(await visit("shop.test")).toMatchObject({ status: 200, text: expect.stringContaining("shop.test") });
});

test("sees why a create failed, reads its story, and orders it again", async () => {
    server("systemctl", "stop", "pdns");
    await order("unlucky", "unlucky.test");
    await page.getByRole("button", { name: "Create the account" }).click();
    await expect(page.getByRole("alert")).toContainText(/PowerDNS|DNS server/);
    await expect(page.getByRole("status")).toContainText("everything was undone");
    await expect(page.locator("#journal")).toContainText(/^journalctl -u opterius-agent OPERATION_ID=[0-9a-f-]{36}$/);
    const command = await page.locator("#journal").innerText();
    expect(server("sh", "-c", `${command} -o cat`)).toMatch(/unlucky|dns/i);
    const failed = page.url();
    // The whole story, from the request to the Agent's steps.
    await page.goto("/activity?outcome=failed");
    await page.getByRole("row", { name: /unlucky/ }).first().getByRole("link").first().click();
    await expect(page).toHaveURL(/\/activity\//);
    await expect(page.locator("main")).toContainText("The story of this request");
    await expect(page.locator("main")).toContainText("was taken on");
    await expect(page.locator("main")).toContainText("preflight");
    expect(server("sh", "-c", `${await page.locator("#command").innerText()} -o cat`)).toContain("unlucky");
    server("systemctl", "start", "pdns");
    await page.goto(failed);
    await page.getByRole("link", { name: "Order it again" }).click();
    await expect(page.getByLabel("Username")).toHaveValue("unlucky");
    await expect(page.getByLabel("Domain")).toHaveValue("unlucky.test");
    await expect(page.getByLabel("Package").locator("option:checked")).toHaveText("Studio");
    await page.getByRole("button", { name: "Create the account" }).click();
    await expect(page.getByRole("status")).toContainText("All of it is done");
    expect((await visit("unlucky.test")).status).toBe(200);
});

test("finds the account while somebody is on the phone", async () => {
    await page.goto("/accounts");
    await page.getByLabel("Search").pressSequentially("shop.t");
    const rows = page.locator("#list tbody tr");
    await expect(rows).toHaveCount(1);
    await expect(page).toHaveURL(/q=shop\.t/);
    await rows.getByRole("link").first().click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("shopper");
});

test("suspends it, and visitors are told", async () => {
    await page.getByLabel("Reason of a suspension").fill("sends spam");
    await page.getByRole("button", { name: "Suspend" }).click();
    await expect(page.getByRole("heading", { name: "Suspended" })).toBeVisible();
    await expect(page.locator("main")).toContainText("sends spam");
    const seen = await visit("shop.test");
    expect(seen.status).toBe(503);
    expect(seen.text).toMatch(/suspended/i);
    expect(seen.text).not.toContain("spam");
    await page.getByRole("button", { name: "Lift" }).click();
    await expect(page.getByRole("heading", { name: "Suspended" })).toHaveCount(0);
    expect((await visit("shop.test")).status).toBe(200);
});

test("gives a new password, shown once", async () => {
    await page.getByRole("button", { name: "New password" }).click();
    await expect(page.locator("main")).toContainText("shown only this once");
    await page.getByRole("link", { name: "It is kept" }).click();
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("shopper");
});

test("repairs what somebody broke", async () => {
    server("rm", "-rf", "/var/log/opterius/accounts/shopper");
    await page.getByRole("button", { name: "Repair" }).click();
    await expect(page.locator("#operations")).toContainText(/[Rr]epair/);
    server("test", "-d", "/var/log/opterius/accounts/shopper");
});

test("two people edit one account: the second is told, and nothing is lost", async () => {
    const second = await page.context().newPage();
    await second.goto(page.url());
    await second.getByLabel("Reason of a suspension").fill("from the second");
    await page.getByLabel("Reason of a suspension").fill("from the first");
    await page.getByRole("button", { name: "Suspend" }).click();
    await expect(page.locator("main")).toContainText("from the first");
    await second.getByRole("button", { name: "Suspend" }).click();
    await expect(second.getByRole("alert")).toContainText("was changed since it was shown to you. Nothing was done.");
    await expect(second.getByLabel("Reason of a suspension")).toHaveValue("from the second");
    await second.close();
    await page.getByRole("button", { name: "Lift" }).click();
    await expect(page.getByRole("heading", { name: "Suspended" })).toHaveCount(0);
});

test("terminates it by typing its name, and restores it", async () => {
    await page.getByLabel("Type shopper to terminate it").fill("shoper");
    const button = page.getByRole("button", { name: "Terminate" });
    await expect(button).toBeDisabled();
    await page.getByLabel("Type shopper to terminate it").fill("shopper");
    await button.click();
    await expect(page.getByRole("heading", { name: "This account is terminated" })).toBeVisible();
    await expect(page.locator("main")).toContainText("is kept until");
    expect((await visit("shop.test")).status).toBe(404);
    await page.getByRole("button", { name: "Restore" }).click();
    await expect(page.getByRole("heading", { name: "This account is terminated" })).toHaveCount(0);
    expect((await visit("shop.test")).status).toBe(200);
});

test("speaks German, and signs out", async () => {
    await page.goto("/profile");
    await page.getByLabel("Language").selectOption({ label: "Deutsch" });
    await page.getByRole("button", { name: "Save" }).first().click();
    await expect(page.getByRole("link", { name: "Pakete" })).toBeVisible();
    await page.getByLabel("Sprache").selectOption({ label: "English" });
    await page.getByRole("button", { name: "Speichern" }).first().click();
    await page.locator("#navigation").getByRole("button", { name: "Sign out" }).click();
    await page.goto("/accounts");
    await expect(page).toHaveURL("/enter");
    expect(said).toEqual([]);
});
