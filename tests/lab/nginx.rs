//! nginx on a lab host: one site with a pair, and a profile that reloads or restarts it through systemd.

use crate::host::Host;

/// What the site consists of.
pub(crate) const SITE: &str = "/etc/nginx";

/// The pair that a test rolls out, and the profile with which.
pub(crate) const NEW: &str =
    "--profile site --cert /root/new.pem --key /root/new.key --profiles /root/profiles";

/// Starts nginx with the pair `old`, mints `new`, and writes the profile `site`, whose setting `directive` can break it.
pub(crate) fn serve(host: &Host<'_>, action: &str) {
    host.mint("/root/old");
    host.mint("/root/new");
    host.sh(
        "install -D -m 0640 -g www-data /root/old.key /etc/nginx/pki/site.key; cp /root/old.pem /etc/nginx/pki/site.pem",
    );
    host.file(
        "/etc/nginx/conf.d/site.conf",
        "server {\n    listen 443 ssl;\n    ssl_certificate /etc/nginx/pki/site.pem;\n    \
         ssl_certificate_key /etc/nginx/pki/site.key;\n    return 200 \"site\\n\";\n}\n",
    );
    let dns = host.dns();
    // A restart finds a broken configuration out by itself.
    let test = if action == "reload" {
        ", config_test: [nginx, -t]"
    } else {
        ""
    };
    host.file(
        "/root/profiles/site/profile.yaml",
        format!(
            r#"profile: site
title: one site
source: this test
settings:
  directive: {{default: server_tokens off;, help: a directive}}
resources:
  - {{kind: pem, path: /etc/nginx/pki/site.key, form: key, mode: "0600"}}
  - {{kind: pem, path: /etc/nginx/pki/site.pem, form: fullchain, mode: "0644"}}
  - {{kind: template, path: /etc/nginx/conf.d/directive.conf, from: directive.conf.tera, mode: "0644"}}
services:
  - {{manager: systemd, action: {action}, units: [nginx], limit: 20{test}}}
probes:
  - {{tls: "{dns}:443", addresses: [127.0.0.1], service: nginx}}
deadline: 5
"#
        ),
    );
    host.file(
        "/root/profiles/site/directive.conf.tera",
        "{{ set.directive }}\n",
    );
    host.sh("systemctl enable --now nginx 2>&1");
}
