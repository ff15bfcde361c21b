//! A hundred calls at once over HTTP/2, each with a body, by the programs that billing systems use: these choose HTTP/2 by themselves, and
//! take a stream that is reset while they still send for an error.

use std::process::Command;

use crate::server::{Server, run};

/// Prints the status, the protocol and what went wrong of each call.
const PHP: &str = r"
$multi = curl_multi_init();
$all = [];
for ($n = 0; $n < 100; $n++) {
    $one = curl_init($argv[1]);
    curl_setopt_array($one, [
        CURLOPT_SSL_VERIFYPEER => false, CURLOPT_SSL_VERIFYHOST => 0, CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 60,
        CURLOPT_CUSTOMREQUEST => $argv[2], CURLOPT_POSTFIELDS => str_repeat('x', 20000 + 400 * $n), CURLOPT_PROXY => '',
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    ]);
    curl_multi_add_handle($multi, $one);
    $all[] = $one;
}
do {
    curl_multi_exec($multi, $running);
    while ($done = curl_multi_info_read($multi)) {
        $one = $done['handle'];
        $version = curl_getinfo($one, CURLINFO_HTTP_VERSION) === CURL_HTTP_VERSION_2_0 ? '2' : 'another';
        echo curl_getinfo($one, CURLINFO_RESPONSE_CODE), ' ', $version, ' ', curl_error($one), PHP_EOL;
    }
    if ($running) {
        curl_multi_select($multi);
    }
} while ($running);
";

impl Server {
    /// A hundred calls by curl, and a hundred by PHP: what became of each, as `404 2 ` (the status, the version of HTTP, and what went wrong).
    ///
    /// # Panics
    /// When a program cannot be run.
    pub fn a_hundred(&self, method: &str, path: &str) -> Vec<String> {
        let url = format!("https://127.0.0.1:{}{path}", self.panel_port);
        let config = format!(
            "url = \"{url}?[1-100]\"\nrequest = \"{method}\"\ndata-binary = \"{}\"\nheader = \"Content-Type: application/json\"\ninsecure\nsilent\n\
             http2\nparallel\nparallel-immediate\nparallel-max = 100\nmax-time = 60\nnoproxy = \"*\"\noutput = \"/dev/null\"\n\
             write-out = \"%{{http_code}} %{{http_version}} %{{errormsg}}\\n\"\n",
            "x".repeat(50_000)
        );
        let curl = run(Command::new("curl").args(["-K", "-"]), config);
        let php = run(Command::new("php").args(["-r", PHP, "--", &url, method]), "");
        assert_eq!(php.status, 0, "{}{}", php.stdout, php.stderr);
        curl.stdout.lines().chain(php.stdout.lines()).map(str::to_owned).collect()
    }
}
