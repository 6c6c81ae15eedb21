//! The daemons of the catalogue: what makes each run with TLS, as Debian packages it, and where it is seen.

/// A daemon, and how it is tried.
pub(crate) struct Daemon {
    /// The built-in profile.
    pub(crate) profile: &'static str,
    /// Debian package whose version is told.
    pub(crate) package: &'static str,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Settings of the profile that this configuration needs.
    pub(crate) set: &'static [&'static str],
    /// Ports, each with what OpenSSL calls its STARTTLS, or nothing. The first is judged at every turn.
    pub(crate) ports: &'static [(&'static str, u16)],
    /// What has it load a new pair, where that is not `systemctl reload`.
    pub(crate) reload: Option<&'static str>,
    /// Makes it run with the default pair, after [`PRELUDE`].
    pub(crate) before: &'static str,
}

/// What the scripts have in common: the pair of the package ssl-cert, put where a daemon is told to look.
pub(crate) const PRELUDE: &str = r#"
export DEBIAN_FRONTEND=noninteractive
crt=/etc/ssl/certs/ssl-cert-snakeoil.pem key=/etc/ssl/private/ssl-cert-snakeoil.key
# pair DIR GROUP: the key can be read by the group
pair() { mkdir -p "$1"; install -g "$2" -m 640 $key "$1/site.key"; install -m 644 $crt "$1/site.pem"; }
"#;

/// Those of host `web`.
pub(crate) const WEB: &[Daemon] = &[
    Daemon {
        profile: "nginx",
        package: "nginx",
        unit: "nginx",
        set: &[],
        ports: &[("", 443)],
        reload: None,
        before: r"
pair /etc/nginx/tls root
printf 'ssl_certificate /etc/nginx/tls/site.pem;\nssl_certificate_key /etc/nginx/tls/site.key;\n' >/etc/nginx/conf.d/certroll.conf
rm /etc/nginx/sites-enabled/default
echo 'server { listen 443 ssl; return 204; }' >/etc/nginx/sites-enabled/site
systemctl start nginx
",
    },
    Daemon {
        profile: "haproxy",
        package: "haproxy",
        unit: "haproxy",
        set: &["port=7443"],
        ports: &[("", 7443)],
        reload: None,
        before: r"
mkdir -p /etc/haproxy/certs
cat $key $crt >/etc/haproxy/certs/site.pem
printf 'frontend site\n  bind :7443 ssl crt /etc/haproxy/certs/site.pem\n  http-request return status 204\n' >>/etc/haproxy/haproxy.cfg
systemctl start haproxy
",
    },
    Daemon {
        profile: "postfix",
        package: "postfix",
        unit: "postfix@-",
        set: &[],
        ports: &[("smtp", 25)],
        reload: None,
        before: r"
pair /etc/postfix/tls root
postconf -e myhostname=$(hostname).lab.test smtpd_tls_cert_file=/etc/postfix/tls/site.pem smtpd_tls_key_file=/etc/postfix/tls/site.key
systemctl start postfix
",
    },
    Daemon {
        profile: "dovecot",
        package: "dovecot-core",
        unit: "dovecot",
        set: &[],
        ports: &[("imap", 143), ("", 993), ("pop3", 110), ("sieve", 4190)],
        reload: None,
        before: r"
systemctl start dovecot
",
    },
    Daemon {
        profile: "postgresql",
        package: "postgresql-15",
        unit: "postgresql@15-main",
        set: &[],
        ports: &[("postgres", 5432)],
        reload: None,
        before: r#"
echo "listen_addresses = '*'" >/etc/postgresql/15/main/conf.d/listen.conf
systemctl start postgresql
"#,
    },
    Daemon {
        profile: "redis",
        package: "redis-server",
        unit: "redis-server",
        set: &[],
        ports: &[("", 6380)],
        reload: None,
        before: r"
pair /etc/redis/tls redis
sed -i 's/^bind .*/bind 0.0.0.0/' /etc/redis/redis.conf
printf 'tls-port 6380\ntls-cert-file /etc/redis/tls/site.pem\ntls-key-file /etc/redis/tls/site.key\ntls-auth-clients no\ntls-ca-cert-dir /etc/ssl/certs\n' >>/etc/redis/redis.conf
systemctl start redis-server
",
    },
    Daemon {
        profile: "unbound",
        package: "unbound",
        unit: "unbound",
        set: &[],
        ports: &[("", 853)],
        reload: None,
        before: r"
pair /etc/unbound/tls unbound
printf 'server:\n  interface: 0.0.0.0@853\n  access-control: 0.0.0.0/0 allow\n  tls-service-key: /etc/unbound/tls/site.key\n  tls-service-pem: /etc/unbound/tls/site.pem\n' >/etc/unbound/unbound.conf.d/10-tls.conf
systemctl start unbound
",
    },
    Daemon {
        profile: "stunnel4",
        package: "stunnel4",
        unit: "stunnel4",
        set: &[],
        ports: &[("", 6443)],
        reload: None,
        before: r"
pair /etc/stunnel root
printf 'cert = /etc/stunnel/site.pem\nkey = /etc/stunnel/site.key\npid = /run/stunnel4/site.pid\n[site]\naccept = 6443\nconnect = 127.0.0.1:22\n' >/etc/stunnel/site.conf
systemctl start stunnel4
",
    },
];

/// Those of host `app`.
pub(crate) const APP: &[Daemon] = &[
    Daemon {
        profile: "apache2",
        package: "apache2",
        unit: "apache2",
        set: &[],
        ports: &[("", 443)],
        reload: None,
        before: r"
pair /etc/apache2/tls root
printf 'SSLCertificateFile /etc/apache2/tls/site.pem\nSSLCertificateKeyFile /etc/apache2/tls/site.key\n' >/etc/apache2/conf-enabled/certroll.conf
a2enmod -q ssl
a2dissite -q 000-default
echo 'Listen 443' >/etc/apache2/ports.conf
printf '<VirtualHost *:443>\nSSLEngine on\n</VirtualHost>\n' >/etc/apache2/sites-enabled/site.conf
systemctl start apache2
",
    },
    Daemon {
        profile: "exim4",
        package: "exim4-daemon-light",
        unit: "exim4",
        set: &[],
        ports: &[("smtp", 25)],
        reload: None,
        before: r#"
dpkg --purge --force-depends postfix
dpkg --install /opt/aside/exim4/*.deb
install -g Debian-exim -m 640 $key /etc/exim4/exim.key
install -m 644 $crt /etc/exim4/exim.crt
echo 'MAIN_TLS_ENABLE = yes' >/etc/exim4/exim4.conf.localmacros
sed -i "s/^dc_local_interfaces=.*/dc_local_interfaces=''/" /etc/exim4/update-exim4.conf.conf
update-exim4.conf
systemctl restart exim4
"#,
    },
    Daemon {
        profile: "proftpd",
        package: "proftpd-core",
        unit: "proftpd",
        set: &[],
        ports: &[("ftp", 21)],
        reload: None,
        before: r"
dpkg --purge --force-depends vsftpd
dpkg --install /opt/aside/proftpd/*.deb
pair /etc/proftpd/tls root
sed -i 's/^#LoadModule mod_tls.c/LoadModule mod_tls.c/' /etc/proftpd/modules.conf
printf 'TLSEngine on\nTLSRSACertificateFile /etc/proftpd/tls/site.pem\nTLSRSACertificateKeyFile /etc/proftpd/tls/site.key\n' >/etc/proftpd/conf.d/certroll.conf
systemctl restart proftpd
",
    },
    Daemon {
        profile: "mariadb",
        package: "mariadb-server",
        unit: "mariadb",
        set: &[],
        ports: &[("mysql", 3306)],
        reload: None,
        before: r#"
printf '[mysqld]\nbind-address=0.0.0.0\nssl-cert=/etc/mysql/tls/site.pem\nssl-key=/etc/mysql/tls/site.key\n' >/etc/mysql/mariadb.conf.d/60-tls.cnf
pair /etc/mysql/tls mysql
systemctl start mariadb
mariadb -e "create user probe@'%'"
"#,
    },
    Daemon {
        profile: "mosquitto",
        package: "mosquitto",
        unit: "mosquitto",
        set: &[],
        ports: &[("", 8883)],
        reload: None,
        before: r"
pair /etc/mosquitto/certs mosquitto
printf 'listener 8883\nallow_anonymous true\ncertfile /etc/mosquitto/certs/site.pem\nkeyfile /etc/mosquitto/certs/site.key\n' >/etc/mosquitto/conf.d/tls.conf
systemctl start mosquitto
",
    },
    Daemon {
        profile: "slapd",
        package: "slapd",
        unit: "slapd",
        set: &[],
        ports: &[("ldap", 389), ("", 636)],
        reload: None,
        before: r#"
pair /etc/ldap/tls openldap
sed -i 's|^SLAPD_SERVICES=.*|SLAPD_SERVICES="ldap:/// ldaps:/// ldapi:///"|' /etc/default/slapd
systemctl start slapd
for _ in $(seq 50); do ldapwhoami -Q -Y EXTERNAL -H ldapi:/// && break; sleep 0.2; done
printf 'dn: cn=config\nchangetype: modify\nadd: olcTLSCertificateFile\nolcTLSCertificateFile: /etc/ldap/tls/site.pem\n-\nadd: olcTLSCertificateKeyFile\nolcTLSCertificateKeyFile: /etc/ldap/tls/site.key\n' | ldapmodify -Q -Y EXTERNAL -H ldapi:///
"#,
    },
    Daemon {
        profile: "cups",
        package: "cups-daemon",
        unit: "cups",
        set: &[],
        ports: &[("", 631)],
        reload: None,
        before: r"
sed -i -e 's/^Listen localhost:631/Listen *:631/' -e '1i ServerAlias *' /etc/cups/cupsd.conf
systemctl start cups
",
    },
    Daemon {
        profile: "bind9",
        package: "bind9",
        unit: "named",
        set: &[],
        ports: &[("", 853)],
        reload: None,
        before: r#"
pair /etc/bind/tls bind
printf 'tls site {\n  cert-file "/etc/bind/tls/site.pem";\n  key-file "/etc/bind/tls/site.key";\n};\n' >>/etc/bind/named.conf.local
sed -i 's/listen-on-v6 .*/listen-on port 853 tls site { any; };/' /etc/bind/named.conf.options
systemctl start named
"#,
    },
];

/// Those of host `net`.
pub(crate) const NET: &[Daemon] = &[
    Daemon {
        profile: "lighttpd",
        package: "lighttpd",
        unit: "lighttpd",
        set: &[],
        ports: &[("", 443)],
        reload: None,
        before: r"
cat $key $crt >/etc/lighttpd/server.pem
sed -i 's/^server.port .*/server.port = 8080/' /etc/lighttpd/lighttpd.conf
lighty-enable-mod ssl >/dev/null
systemctl start lighttpd
",
    },
    Daemon {
        profile: "vsftpd",
        package: "vsftpd",
        unit: "vsftpd",
        set: &[],
        ports: &[("ftp", 21)],
        reload: None,
        before: r"
pair /etc/vsftpd root
sed -i '/^rsa_/d;/^ssl_enable/d' /etc/vsftpd.conf
printf 'ssl_enable=YES\nrsa_cert_file=/etc/vsftpd/site.pem\nrsa_private_key_file=/etc/vsftpd/site.key\n' >>/etc/vsftpd.conf
systemctl start vsftpd
",
    },
    Daemon {
        profile: "prosody",
        package: "prosody",
        unit: "prosody",
        set: &[],
        ports: &[("xmpp", 5222)],
        reload: None,
        before: r#"
host=$(hostname).lab.test
install -g prosody -m 640 $key /etc/prosody/certs/$host.key
install -m 644 $crt /etc/prosody/certs/$host.crt
printf 'VirtualHost "%s"\n' $host >/etc/prosody/conf.d/site.cfg.lua
systemctl start prosody
"#,
    },
    Daemon {
        profile: "coturn",
        package: "coturn",
        unit: "coturn",
        set: &[],
        ports: &[("", 5349)],
        reload: Some("systemctl kill --signal=SIGUSR2 coturn"),
        before: r"
pair /etc/coturn/tls turnserver
printf 'realm=lab.test\ncert=/etc/coturn/tls/site.pem\npkey=/etc/coturn/tls/site.key\n' >>/etc/turnserver.conf
systemctl start coturn
",
    },
    Daemon {
        profile: "freeradius",
        package: "freeradius",
        unit: "freeradius",
        set: &[],
        ports: &[("", 2083)],
        reload: None,
        before: r"
cd /etc/freeradius/3.0
pair certs freerad
sed -e 's|private_key_file = .*|private_key_file = /etc/freeradius/3.0/certs/site.key|' -e 's|certificate_file = .*|certificate_file = /etc/freeradius/3.0/certs/site.pem|' -e 's|ca_file = .*|ca_file = /etc/ssl/certs/ca-certificates.crt|' sites-available/tls >sites-enabled/tls
sed -i '0,/ipaddr = 127.0.0.1/s//ipaddr = 0.0.0.0\/0/' sites-enabled/tls
systemctl start freeradius
",
    },
    Daemon {
        profile: "icecast2",
        package: "icecast2",
        unit: "icecast2",
        set: &[],
        ports: &[("", 8443)],
        reload: None,
        before: r"
cat $crt $key >/etc/icecast2/icecast.pem
chown root:icecast /etc/icecast2/icecast.pem
chmod 640 /etc/icecast2/icecast.pem
sed -i -e '0,/^ *<listen-socket>$/s,,<listen-socket><port>8443</port><ssl>1</ssl></listen-socket>\n    &,' \
    -e 's,</paths>,<ssl-certificate>/etc/icecast2/icecast.pem</ssl-certificate>\n    &,' \
    -e 's,<ssl-certificate>/usr/share/icecast2/icecast.pem</ssl-certificate>,,' /etc/icecast2/icecast.xml
systemctl start icecast2
",
    },
    Daemon {
        profile: "cockpit",
        package: "cockpit-ws",
        unit: "cockpit",
        set: &[],
        ports: &[("", 9090)],
        reload: None,
        before: r"
systemctl start cockpit.socket
",
    },
    Daemon {
        profile: "rabbitmq",
        package: "rabbitmq-server",
        unit: "rabbitmq-server",
        set: &[],
        ports: &[("", 5671)],
        reload: None,
        before: r"
pair /etc/rabbitmq/tls rabbitmq
mkdir -p /etc/rabbitmq/conf.d
printf 'listeners.ssl.default = 5671\nssl_options.certfile = /etc/rabbitmq/tls/site.pem\nssl_options.keyfile = /etc/rabbitmq/tls/site.key\nssl_options.verify = verify_none\n' >/etc/rabbitmq/conf.d/10-tls.conf
systemctl start rabbitmq-server
",
    },
];
