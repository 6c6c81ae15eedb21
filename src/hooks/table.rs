//! Everything that is installed, as data.

use super::UNITS;

/// What a hook puts at its path. In texts `@certroll@` stands for the program, `@profiles@` for the option that names
/// the administrator's profiles, and `@watched@` for the paths that the path unit watches.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// A unit of systemd.
    Unit(&'static str),
    /// A program that another tool runs.
    Script(&'static str),
    /// A piece of another tool's configuration.
    Setting(&'static str),
    /// A link: what `systemctl enable` makes of `WantedBy=` (systemctl(1)), as data, so that no systemctl is needed.
    Link(&'static str),
}

impl What {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Unit(_) => "unit",
            Self::Script(_) | Self::Setting(_) => "hook",
            Self::Link(_) => "link",
        }
    }

    pub(super) fn mode(self) -> Option<u32> {
        match self {
            Self::Unit(_) | Self::Setting(_) => Some(0o644),
            Self::Script(_) => Some(0o755),
            Self::Link(_) => None,
        }
    }
}

/// One file or link that has the host call certroll.
#[derive(Debug)]
pub(super) struct Hook {
    /// Where.
    pub(super) at: &'static str,
    /// The directory that is there where somebody looks at this.
    pub(super) needs: &'static str,
    /// Whether it says which paths are watched.
    pub(super) watches: bool,
    /// What.
    pub(super) what: What,
}

/// Units first; then apt.conf(5), dpkg(1) on `post-invoke`, certbot's "Pre and Post Validation Hooks", and the phases of
/// wazo-upgrade, which runs what is in these directories in order, and was xivo-upgrade before.
pub(super) const HOOKS: &[Hook] = &[
    Hook {
        at: "/etc/systemd/system/certroll-recover.service",
        needs: UNITS,
        watches: false,
        what: What::Unit(include_str!("certroll-recover.service")),
    },
    Hook {
        at: "/etc/systemd/system/certroll-recover-network.service",
        needs: UNITS,
        watches: false,
        what: What::Unit(include_str!("certroll-recover-network.service")),
    },
    Hook {
        at: "/etc/systemd/system/sysinit.target.wants/certroll-recover.service",
        needs: UNITS,
        watches: false,
        what: What::Link("../certroll-recover.service"),
    },
    Hook {
        at: "/etc/systemd/system/certroll-hooks@.service",
        needs: UNITS,
        watches: false,
        what: What::Unit(include_str!("certroll-hooks@.service")),
    },
    Hook {
        at: "/etc/systemd/system/certroll-hooks.timer",
        needs: UNITS,
        watches: false,
        what: What::Unit(include_str!("certroll-hooks.timer")),
    },
    Hook {
        at: "/etc/systemd/system/timers.target.wants/certroll-hooks.timer",
        needs: UNITS,
        watches: false,
        what: What::Link("../certroll-hooks.timer"),
    },
    Hook {
        at: "/etc/systemd/system/certroll-renew.service",
        needs: UNITS,
        watches: false,
        what: What::Unit(include_str!("certroll-renew.service")),
    },
    Hook {
        at: "/etc/systemd/system/certroll-renew.timer",
        needs: UNITS,
        watches: false,
        what: What::Unit(include_str!("certroll-renew.timer")),
    },
    Hook {
        at: "/etc/systemd/system/timers.target.wants/certroll-renew.timer",
        needs: UNITS,
        watches: false,
        what: What::Link("../certroll-renew.timer"),
    },
    Hook {
        at: "/etc/systemd/system/certroll-hooks.path",
        needs: UNITS,
        watches: true,
        what: What::Unit(include_str!("certroll-hooks.path")),
    },
    Hook {
        at: "/etc/systemd/system/paths.target.wants/certroll-hooks.path",
        needs: UNITS,
        watches: true,
        what: What::Link("../certroll-hooks.path"),
    },
    Hook {
        at: "/etc/apt/apt.conf.d/90certroll",
        needs: "/etc/apt/apt.conf.d",
        watches: false,
        what: What::Setting(include_str!("apt.conf")),
    },
    Hook {
        at: "/etc/dpkg/dpkg.cfg.d/certroll",
        needs: "/etc/dpkg/dpkg.cfg.d",
        watches: false,
        what: What::Setting(include_str!("dpkg.cfg")),
    },
    Hook {
        at: "/etc/letsencrypt/renewal-hooks/deploy/certroll",
        needs: "/etc/letsencrypt/renewal-hooks/deploy",
        watches: false,
        what: What::Script(include_str!("certbot-deploy")),
    },
    Hook {
        at: "/usr/share/wazo-upgrade/pre-stop.d/90-certroll",
        needs: "/usr/share/wazo-upgrade/pre-stop.d",
        watches: false,
        what: What::Script(include_str!("wazo-pre-stop")),
    },
    Hook {
        at: "/usr/share/wazo-upgrade/post-stop.d/90-certroll",
        needs: "/usr/share/wazo-upgrade/post-stop.d",
        watches: false,
        what: What::Script(include_str!("wazo-post-stop")),
    },
    Hook {
        at: "/usr/share/wazo-upgrade/pre-start.d/90-certroll",
        needs: "/usr/share/wazo-upgrade/pre-start.d",
        watches: false,
        what: What::Script(include_str!("wazo-pre-start")),
    },
    Hook {
        at: "/usr/share/wazo-upgrade/post-start.d/90-certroll",
        needs: "/usr/share/wazo-upgrade/post-start.d",
        watches: false,
        what: What::Script(include_str!("wazo-post-start")),
    },
    Hook {
        at: "/usr/share/xivo-upgrade/pre-stop.d/90-certroll",
        needs: "/usr/share/xivo-upgrade/pre-stop.d",
        watches: false,
        what: What::Script(include_str!("wazo-pre-stop")),
    },
    Hook {
        at: "/usr/share/xivo-upgrade/post-stop.d/90-certroll",
        needs: "/usr/share/xivo-upgrade/post-stop.d",
        watches: false,
        what: What::Script(include_str!("wazo-post-stop")),
    },
    Hook {
        at: "/usr/share/xivo-upgrade/pre-start.d/90-certroll",
        needs: "/usr/share/xivo-upgrade/pre-start.d",
        watches: false,
        what: What::Script(include_str!("wazo-pre-start")),
    },
    Hook {
        at: "/usr/share/xivo-upgrade/post-start.d/90-certroll",
        needs: "/usr/share/xivo-upgrade/post-start.d",
        watches: false,
        what: What::Script(include_str!("wazo-post-start")),
    },
];

/// What other tools keep for each certificate by itself, so that a person must tell them: the directory that shows that a
/// tool is here, and how it is told.
pub(super) const TOLD_BY_PEOPLE: &[(&str, &str)] = &[
    (
        "/root/.acme.sh",
        "Where acme.sh renews the source: acme.sh --install-cert -d NAME [...] --reloadcmd \"@certroll@ @profiles@hooks run acme.sh\"",
    ),
    (
        "/root/.lego",
        "Where lego renews the source: lego [...] renew --renew-hook \"@certroll@ @profiles@hooks run lego\"",
    ),
    (
        "/var/lib/certmonger/requests",
        "Where certmonger renews the source: getcert start-tracking -f FILE -C \"@certroll@ @profiles@hooks run certmonger\"",
    ),
];
