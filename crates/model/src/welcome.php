<?php
// The page of a new account. Replace it with your own.
$name = htmlspecialchars($_SERVER['HTTP_HOST'] ?? 'This site', ENT_QUOTES, 'UTF-8');
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title><?= $name ?></title>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1.0625rem/1.6 system-ui, sans-serif; }
  main { max-width: 34rem; padding: 2rem; }
  h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .75rem; overflow-wrap: anywhere; }
  p { margin: .5rem 0; }
  code { font-size: .95em; }
  .quiet { opacity: .7; font-size: .9375rem; }
</style>
</head>
<body>
<main>
  <h1><?= $name ?> is ready</h1>
  <p>The web site answers, and PHP <?= PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION ?> runs.</p>
  <p>Put your own files into <code>public_html</code> and remove <code>index.php</code>, which shows this page.</p>
  <p class="quiet">Served <?= gmdate('Y-m-d H:i:s') ?> UTC.</p>
</main>
</body>
</html>
