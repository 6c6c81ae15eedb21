//! What may be in place for a server is known until it is gone.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{NAME, asked, hook, server::Server, webroot};
use crate::{
    acme::{
        Folder, obtain,
        present::Proof,
        settle,
        shown::{Showing, show},
    },
    host::{
        Output,
        fake::{FakeHost, World},
    },
    state::HostPath,
};

fn folder() -> Folder {
    Folder::of("one").unwrap()
}

fn is_known(host: &FakeHost) -> bool {
    let note: Option<serde_json::Value> = folder().load(host, "presented.json").unwrap();
    note.is_some()
}

/// Clears up, and returns what is said of that.
fn settled(host: &mut FakeHost) -> Vec<String> {
    let said = RefCell::<Vec<String>>::default();
    settle(host, &folder(), &|line| {
        said.borrow_mut().push(line.to_owned());
    })
    .unwrap();
    said.into_inner()
}

#[test]
fn what_a_hook_that_failed_may_have_put_in_place_is_known_until_it_is_taken_away() {
    // How often the hook fails: at `present` alone, and at `remove` as well.
    for (fails, is_left) in [(1_u32, false), (2, true)] {
        let server = Server::new(&[(NAME, "good-token_1")]);
        let left = Cell::new(fails);
        let fails = move |_: &mut World, _: &_| Output {
            status: Some(i32::from(left.replace(left.get().saturating_sub(1)) > 0) * 3),
            ..Output::default()
        };
        let mut host = FakeHost::new(World::default(), Rc::new(fails))
            .with_web(Rc::new(move |call| server.answer(call)));
        let said = RefCell::<Vec<String>>::default();
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        let ended = obtain(&mut host, &folder(), &asked(&[NAME], hook(0)), &say);
        let error = ended.unwrap_err().to_string();
        let why = error.contains("present") && error.ends_with("exited with 3: ");
        assert!(why, "{error}");
        let mut said = said.borrow().clone();
        said.retain(|line| line.starts_with("left in place: "));
        assert_eq!((said.len() == 1, is_known(&host)), (is_left, is_left));
        // The next run takes it away.
        assert_eq!(settled(&mut host), Vec::<String>::new());
        assert!(!is_known(&host));
        let ran = host.world().ran;
        let verbs: Vec<&str> = ran.iter().map(|argv| argv[1].as_str()).collect();
        let removes = if is_left { 2 } else { 1 };
        assert_eq!(
            verbs,
            [&["present"][..], &["remove"].repeat(removes)].concat()
        );
        assert!(ran.iter().all(|argv| argv[2..] == ran[0][2..]), "{ran:?}");
    }
}

#[test]
fn what_was_below_a_folder_that_is_gone_is_gone() {
    let server = Server::new(&[]);
    let mut host = super::host(&server);
    let proof = Proof {
        name: NAME.to_owned(),
        token: "good-token_1".to_owned(),
        text: "text".to_owned(),
        record: "record".to_owned(),
    };
    let showing = show(&mut host, &folder(), &webroot(), proof, &|_| {}).unwrap();
    assert!(matches!(showing, Showing::Left(_)));
    assert!(is_known(&host));
    let gone = HostPath::new("/srv/www").unwrap();
    host.meddle(|world| {
        world
            .tree
            .retain(|path, _| !path.as_str().starts_with(gone.as_str()));
    });
    assert_eq!(settled(&mut host), Vec::<String>::new());
    assert!(!is_known(&host));
}
