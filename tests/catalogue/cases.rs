//! What the configuration of each daemon says, and what its profile makes of it.

/// A profile, the configuration that it finds, and the files of the identity that it plans there.
pub(crate) type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
);

/// Daemons that take the paths which their configuration names, in the dialect of each.
pub(crate) const NAMED: &[Case] = &[
    (
        "postfix",
        &[(
            "/etc/postfix/main.cf",
            "# smtpd_tls_cert_file=/no\nsmtpd_tls_cert_file=/etc/a.pem\nsmtpd_tls_key_file = /etc/a.key\n",
        )],
        &[("/etc/a.key", "0600"), ("/etc/a.pem", "0644")],
    ),
    (
        "haproxy",
        &[(
            "/etc/haproxy/haproxy.cfg",
            "frontend a\n  bind :443 ssl crt /etc/haproxy/certs/site.pem\n",
        )],
        &[("/etc/haproxy/certs/site.pem", "0600")],
    ),
    (
        "icecast2",
        &[(
            "/etc/icecast2/icecast.xml",
            "<icecast>\n  <listen-socket><port>8000</port></listen-socket>\n  <!-- <listen-socket><ssl>0</ssl></listen-socket> -->\n  \
             <listen-socket><port>8443</port><ssl>1</ssl></listen-socket>\n  <paths><ssl-certificate>/etc/a.pem</ssl-certificate></paths>\n</icecast>\n",
        )],
        &[("/etc/a.pem", "0640")],
    ),
    (
        "lighttpd",
        &[
            ("/etc/lighttpd/lighttpd.conf", "server.port = 80\n"),
            (
                "/etc/lighttpd/conf-enabled/10-ssl.conf",
                "ssl.pemfile = \"/etc/a.pem\"\nssl.privkey = \"/etc/a.key\"\n",
            ),
        ],
        &[("/etc/a.key", "0600"), ("/etc/a.pem", "0644")],
    ),
    (
        "redis",
        &[(
            "/etc/redis/redis.conf",
            "tls-port 7000\ntls-cert-file /etc/a.pem\ntls-key-file /etc/a.key\n",
        )],
        &[("/etc/a.key", "0640"), ("/etc/a.pem", "0644")],
    ),
    (
        "mosquitto",
        &[
            (
                "/etc/mosquitto/mosquitto.conf",
                "include_dir /etc/mosquitto/conf.d\n",
            ),
            (
                "/etc/mosquitto/conf.d/tls.conf",
                "listener 8883\ncertfile /etc/a.pem\nkeyfile /etc/a.key\n",
            ),
        ],
        &[("/etc/a.key", "0640"), ("/etc/a.pem", "0644")],
    ),
    (
        "slapd",
        &[(
            "/etc/ldap/slapd.d/cn=config.ldif",
            "olcTLSCertificateFile: /etc/a.pem\nolcTLSCertificateKeyFile: /etc/a.key\n",
        )],
        &[("/etc/a.key", "0640"), ("/etc/a.pem", "0644")],
    ),
    (
        "coturn",
        &[("/etc/turnserver.conf", "cert=/etc/a.pem\npkey=/etc/a.key\n")],
        &[("/etc/a.key", "0640"), ("/etc/a.pem", "0644")],
    ),
    (
        "stunnel4",
        &[(
            "/etc/stunnel/site.conf",
            "cert = /etc/a.pem\n[site]\naccept = 127.0.0.1:993\n",
        )],
        &[("/etc/a.pem", "0600")],
    ),
    (
        "vsftpd",
        &[(
            "/etc/vsftpd.conf",
            "rsa_cert_file=/etc/a.pem\nrsa_private_key_file=/etc/a.key\n",
        )],
        &[("/etc/a.key", "0600"), ("/etc/a.pem", "0644")],
    ),
    (
        "bind9",
        &[
            (
                "/etc/bind/named.conf",
                "include \"/etc/bind/named.conf.local\";\n",
            ),
            (
                "/etc/bind/named.conf.local",
                "tls site {\n\tcert-file \"/etc/a.pem\";\n\tkey-file \"/etc/a.key\";\n};\n",
            ),
        ],
        &[("/etc/a.key", "0640"), ("/etc/a.pem", "0644")],
    ),
    (
        "freeradius",
        &[
            ("/etc/freeradius/3.0/radiusd.conf", ""),
            (
                "/etc/freeradius/3.0/sites-enabled/tls",
                "\tcertificate_file = /etc/a.pem\n\tprivate_key_file = /etc/a.key\n",
            ),
        ],
        &[("/etc/a.key", "0640"), ("/etc/a.pem", "0644")],
    ),
];

/// Daemons whose profile brings its own pair, and a fragment where they read one.
pub(crate) const OWN: &[Case] = &[
    (
        "nginx",
        &[("/etc/nginx/nginx.conf", "")],
        &[
            ("/etc/nginx/tls/site.key", "0600"),
            ("/etc/nginx/tls/site.pem", "0644"),
            ("/etc/nginx/conf.d/certroll.conf", "0644"),
        ],
    ),
    (
        "apache2",
        &[("/etc/apache2/apache2.conf", "")],
        &[
            ("/etc/apache2/tls/site.key", "0600"),
            ("/etc/apache2/tls/site.pem", "0644"),
            ("/etc/apache2/conf-enabled/certroll.conf", "0644"),
        ],
    ),
    (
        "dovecot",
        &[
            ("/etc/dovecot/dovecot.conf", ""),
            ("/etc/dovecot/conf.d/10-ssl.conf", ""),
        ],
        &[
            ("/etc/dovecot/tls/site.key", "0600"),
            ("/etc/dovecot/conf.d/99-certroll.conf", "0644"),
        ],
    ),
    (
        "exim4",
        &[(
            "/etc/exim4/exim4.conf.localmacros",
            "MAIN_TLS_ENABLE = yes\n",
        )],
        &[
            ("/etc/exim4/exim.key", "0640"),
            ("/etc/exim4/exim.crt", "0644"),
        ],
    ),
    (
        "postgresql",
        &[("/etc/postgresql/15/main/conf.d/a.conf", "")],
        &[
            ("/etc/postgresql/tls/site.key", "0640"),
            ("/etc/postgresql/tls/certroll.conf", "0644"),
        ],
    ),
    (
        "mariadb",
        &[("/etc/mysql/mariadb.conf.d/50-server.cnf", "")],
        &[
            ("/etc/mysql/tls/site.key", "0640"),
            ("/etc/mysql/mariadb.conf.d/99-certroll.cnf", "0644"),
        ],
    ),
    (
        "rabbitmq",
        &[("/etc/rabbitmq/rabbitmq-env.conf", "")],
        &[
            ("/etc/rabbitmq/tls/site.key", "0640"),
            ("/etc/rabbitmq/conf.d/90-certroll.conf", "0644"),
        ],
    ),
    (
        "prosody",
        &[("/etc/prosody/prosody.cfg.lua", "")],
        &[
            ("/etc/prosody/certs/mail.example.com.key", "0640"),
            ("/etc/prosody/certs/mail.example.com.crt", "0644"),
        ],
    ),
    (
        "proftpd",
        &[
            ("/etc/proftpd/proftpd.conf", ""),
            ("/etc/proftpd/conf.d/a.conf", ""),
        ],
        &[
            ("/etc/proftpd/tls/site.key", "0600"),
            ("/etc/proftpd/conf.d/certroll.conf", "0644"),
        ],
    ),
    (
        "unbound",
        &[("/etc/unbound/unbound.conf.d/a.conf", "")],
        &[
            ("/etc/unbound/tls/site.key", "0640"),
            ("/etc/unbound/unbound.conf.d/zz-certroll.conf", "0644"),
        ],
    ),
    (
        "cups",
        &[("/etc/cups/cupsd.conf", "")],
        &[
            ("/etc/cups/ssl/mail.example.com.key", "0600"),
            ("/etc/cups/ssl/mail.example.com.crt", "0644"),
        ],
    ),
    (
        "cockpit",
        &[("/etc/cockpit/ws-certs.d/0-self-signed.cert", "")],
        &[
            ("/etc/cockpit/ws-certs.d/90-certroll.key", "0600"),
            ("/etc/cockpit/ws-certs.d/90-certroll.cert", "0644"),
        ],
    ),
];
