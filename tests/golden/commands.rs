//! The hosts with their services: what a plan says will be done and run, beside what is done and run, as sets.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use certroll::{
    desired::Probe,
    host::{
        Command, Host as _, Output, Presented,
        fake::{FakeHost, World},
    },
    plan::Plan,
    receipt::Outcome,
    rollouts::Request,
    service,
    source::Files,
    state::{HostPath, State},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use super::*;
use crate::fixture::MapTree;

/// Where the case's identity is on the host.
const IDENTITY: &str = "/srv/identity";

/// Every endpoint presents what is on disk by now, and names lead where the hosts file says.
fn load(world: &mut World) {
    let hosts = world.tree[&HostPath::new("/etc/hosts").unwrap()].bytes();
    world.names.clear();
    for line in hosts.unwrap().text().lines() {
        let mut words = line.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else {
            continue;
        };
        for name in words {
            let addresses = world.names.entry(name.to_owned()).or_default();
            addresses.push(address);
        }
    }
    let pair = ["/usr/share/wazo-certs", "/usr/share/xivo-certs"];
    let leaf = |dir: &str| {
        world
            .tree
            .get(&HostPath::new(&format!("{dir}/server.crt")).unwrap())
    };
    let pem = pair.into_iter().find_map(leaf).unwrap();
    let certificates = CertificateDer::pem_slice_iter(pem.bytes().unwrap().reveal());
    let presented = Presented {
        certificates: certificates.map(|der| der.unwrap().to_vec()).collect(),
        version: "TLS 1.3".to_owned(),
        ..Presented::default()
    };
    for endpoint in world.endpoints.values_mut() {
        *endpoint = presented.clone();
    }
}

/// How often a unit was started: by the platform's script, which leaves one out, or by name.
fn starts(world: &World, unit: &str, left: &str) -> usize {
    let by_script = |argv: &&Vec<String>| argv[0].ends_with("-service") && unit != left;
    let by_name = |argv: &&Vec<String>| argv[1] == "restart" && argv.iter().any(|a| a == unit);
    let ran = world.ran.iter();
    ran.filter(|argv| by_script(argv) || by_name(argv)).count()
}

/// Units that are all there and start when they are told to.
fn react(world: &mut World, command: &Command, left: &str) -> Output {
    let mut output = Output {
        status: Some(0),
        ..Output::default()
    };
    match (command.argv[0].as_str(), command.argv[1].as_str()) {
        ("systemctl", "show") => {
            let units = command.argv.iter().filter(|word| word.contains(".service"));
            let block = |unit: &String| {
                let start = starts(world, unit, left);
                format!(
                    "Id={unit}\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nInvocationID=start-{start}\n"
                )
            };
            output.stdout = units.map(block).collect::<Vec<_>>().join("\n");
        }
        _ => load(world),
    }
    output
}

/// The case's host, alive, with a script that leaves out a unit; and what is asked of it.
fn live(case: &Case, left: &'static str) -> (FakeHost, Request) {
    let mut tree = MapTree::fixture(case.host);
    tree.dir(IDENTITY);
    let (mut files, mut request) = (Files::default(), Request::default());
    for pair in case.args.chunks(2) {
        let (option, value) = (pair[0], pair[1]);
        if option == "--set" {
            let (name, value) = value.split_once('=').unwrap();
            request.set.insert(name.to_owned(), value.to_owned());
            continue;
        }
        let from = format!(
            "{}/fixtures/identities/{}/{value}",
            env!("CARGO_MANIFEST_DIR"),
            case.identity
        );
        let path = format!("{IDENTITY}/{value}");
        tree.file(&path, &fs::read_to_string(from).unwrap());
        let file = match option {
            "--cert" => &mut files.cert,
            "--key" => &mut files.key,
            "--chain" => &mut files.chain,
            other => panic!("{other}"),
        };
        *file = Some(path);
    }
    request.files = files;
    request.profiles = vec!["wazo".to_owned()];
    let world = World {
        tree: tree.0,
        ..World::default()
    };
    let host = FakeHost::new(
        world,
        Rc::new(move |world: &mut World, command: &Command| react(world, command, left)),
    );
    // Whatever a promise is about is there, and presents the old leaf.
    let plan = certroll::prepare(&host, &request).unwrap().plan;
    host.meddle(|world| {
        for promise in &plan.promises {
            if let Probe::Tls {
                port, addresses, ..
            } = &promise.probe
            {
                let ends = addresses.iter().map(|ip| SocketAddr::new(*ip, *port));
                world
                    .endpoints
                    .extend(ends.map(|end| (end, Presented::default())));
            }
        }
        load(world);
    });
    (host, request)
}

/// The commands of a plan: those that are sure to be run, and those that may be.
fn planned(plan: &Plan) -> (BTreeSet<String>, BTreeSet<String>) {
    let all = plan.commands.iter().map(Command::line).collect();
    let planned = service::planned(&plan.services, &plan.units).into_iter();
    let sure = planned.filter(|one| one.only_if.is_none());
    (sure.map(|one| one.command.line()).collect(), all)
}

/// Paths with what was there and what is there.
type Edits = BTreeMap<HostPath, (State, State)>;

fn edits(before: &World, after: &World) -> Edits {
    let paths = before.tree.keys().chain(after.tree.keys());
    let of = |world: &World, path| world.tree.get(path).cloned().unwrap_or(State::Absent);
    let both = paths.map(|path| (path.clone(), (of(before, path), of(after, path))));
    both.filter(|(_, (was, is))| was != is).collect()
}

#[test]
fn on_a_host_with_services_apply_does_and_runs_what_plan_predicts_and_nothing_else() {
    for case in CASES {
        does_and_runs_what_is_planned(case, "");
    }
    does_and_runs_what_is_planned(&CASES[0], "nginx.service");
}

fn does_and_runs_what_is_planned(case: &Case, left: &'static str) {
    let (mut host, request) = live(case, left);
    let name = format!("{}, left {left:?}", case.host);
    host.lock(Duration::ZERO).unwrap();
    let before = host.world();
    let prepared = certroll::prepare(&host, &request).unwrap();
    let plan = prepared.plan;
    assert!(host.world() == before, "{name}: a plan did something");
    let (sure, all) = planned(&plan);
    let changes = plan.changes.iter();
    let want: Edits = changes
        .map(|c| (c.path.clone(), (c.before.clone(), c.after.clone())))
        .collect();
    let receipt = certroll::rollout(&mut host, plan, prepared.keep, &|_| {}).unwrap();
    let causes = &receipt.causes;
    assert_eq!(receipt.outcome, Outcome::Committed, "{name}: {causes:?}");
    let after = host.world();
    assert!(edits(&before, &after) == want, "{name}");

    let told: BTreeSet<String> = receipt.commands.into_iter().collect();
    let ran: BTreeSet<String> = after.ran.iter().map(|argv| argv.join(" ")).collect();
    assert_eq!(told, ran, "{name}");
    assert!(told.is_subset(&all), "{name}: {told:?} of {all:?}");
    let mut needed = sure;
    if !left.is_empty() {
        needed.insert(format!("systemctl restart --no-ask-password -- {left}"));
    }
    assert_eq!(told, needed, "{name}");
    let script = |line: &&String| line.ends_with("-service restart all");
    assert_eq!(told.iter().filter(script).count(), 1, "{name}: {told:?}");

    // Nothing is left to do, or to run.
    let again = certroll::prepare(&host, &request).unwrap().plan;
    assert!(again.is_empty(), "{name}: {:?}", again.changes);
    assert_eq!(again.commands, [], "{name}");
}
