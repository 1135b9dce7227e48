//! Nothing is answered "stored" before it is: the program is killed again and again in the middle of a storm of stores.

mod common;

use std::collections::HashMap;
use std::io::BufReader;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use common::{Answer, SQLITE, Shell, connect, noise, read_answer, write_request};
use gridshell_connectors::asset::codec;
use gridshell_connectors::wire::dotnet::{self, Style};
use gridshell_interfaces::asset::{Asset, AssetFlags, AssetMetadata};
use nix::sys::signal::Signal;
use uuid::Uuid;

const ROUNDS: u64 = 50;
const CLIENTS: u64 = 16;

/// An asset of about 2 KB whose every byte follows from its number.
fn asset(number: u64) -> Asset {
    let metadata = AssetMetadata {
        id: Uuid::from_u128(0xd0d0_0000_0000_4000_8000_0000_0000_0000 | u128::from(number)),
        name: format!("asset {number}"),
        description: String::new(),
        created: None,
        asset_type: 7,
        local: false,
        temporary: false,
        creator: Some("aaaaaaaa-0000-0000-0000-000000000001".to_owned()),
        flags: AssetFlags::NORMAL,
    };
    Asset { metadata, data: Some(noise(number, 1800 + (number % 500) as usize).into()) }
}

/// The asset as the wire carries it.
fn document(number: u64, style: Style) -> Bytes {
    codec::encode_asset(&asset(number), style).unwrap()
}

/// What one client knows when the program has died under it.
#[derive(Default)]
struct Story {
    answered: Vec<u64>,
    /// Sent, whole or in part, and not answered.
    in_flight: Option<u64>,
}

/// Stores asset after asset until the connection breaks. `answers` counts those of all clients; the one that makes it `enough` says so.
fn store_until_the_end(
    mut stream: TcpStream,
    first: u64,
    answers: &AtomicUsize,
    enough: usize,
    killer: &mpsc::Sender<()>,
) -> Story {
    let mut story = Story::default();
    for number in first.. {
        let id = asset(number).metadata.id;
        let sent =
            write_request(&mut stream, "POST", "/assets/", "Content-Type: text/xml\r\n", &document(number, Style::Compact));
        let Ok(answer) = sent.and_then(|()| read_answer(&mut stream)) else {
            story.in_flight = Some(number);
            break;
        };
        assert_eq!((answer.status, dotnet::read_string(&answer.body).unwrap()), (200, id.to_string()));
        story.answered.push(number);
        if answers.fetch_add(1, Ordering::Relaxed) + 1 == enough {
            killer.send(()).unwrap();
        }
    }
    story
}

/// Lets clients store, kills the program after so many answers, and gives what each client knows.
fn storm(shell: &Shell, round: u64, enough: usize) -> Vec<Story> {
    let answers = AtomicUsize::new(0);
    let (killer, killed) = mpsc::channel();
    // All are connected before the first answer can end the program.
    let streams: Vec<_> = (0..CLIENTS).map(|_| connect(shell.port).unwrap()).collect();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .zip(streams)
            .map(|(client, stream)| {
                let (killer, answers) = (killer.clone(), &answers);
                let first = (round * CLIENTS + client) << 32;
                scope.spawn(move || store_until_the_end(stream, first, answers, enough, &killer))
            })
            .collect();
        killed.recv_timeout(common::PATIENCE).expect("the storm does not get under way");
        shell.signal(Signal::SIGKILL);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

fn get(stream: &mut BufReader<TcpStream>, path: &str) -> Answer {
    write_request(stream.get_mut(), "GET", path, "", b"").unwrap();
    read_answer(stream).unwrap()
}

fn is_whole(stream: &mut BufReader<TcpStream>, number: u64) {
    let id = asset(number).metadata.id;
    let data = get(stream, &format!("/assets/{id}/data"));
    assert_eq!(data.status, 200, "asset {number:#x} was answered as stored, and is lost");
    assert!(data.body == asset(number).data.unwrap(), "asset {number:#x} has other content");
    let whole = get(stream, &format!("/assets/{id}"));
    assert!(whole.status == 200 && whole.body == document(number, Style::Indented), "asset {number:#x} has another document");
}

#[test]
fn what_was_answered_survives_fifty_kills_and_nothing_is_half_there() {
    let mut shell = Shell::start(&SQLITE.replace("[AssetService]", "[AssetService]\nCacheMegabytes = 0"));
    let mut stored: Vec<u64> = Vec::new();
    let mut fates: HashMap<u16, usize> = HashMap::new();
    for round in 0..ROUNDS {
        // From the very first answer to some hundred.
        let enough = 1 + usize::from(noise(round, 1)[0]) / 2;
        let stories = storm(&shell, round, enough);
        shell.restart();
        let mut stream = BufReader::new(connect(shell.port).unwrap());
        for story in stories {
            story.answered.iter().for_each(|number| is_whole(&mut stream, *number));
            stored.extend(story.answered);
            let number = story.in_flight.unwrap();
            // A 404 closes the connection, so each look has one of its own.
            let mut stream = BufReader::new(connect(shell.port).unwrap());
            let status = get(&mut stream, &format!("/assets/{}", asset(number).metadata.id)).status;
            *fates.entry(status).or_default() += 1;
            if status != 404 {
                is_whole(&mut stream, number);
                stored.push(number);
            }
        }
    }
    // The later kills have not touched what earlier rounds stored.
    let mut stream = BufReader::new(connect(shell.port).unwrap());
    stored.iter().for_each(|number| is_whole(&mut stream, *number));
    assert!(stored.len() >= ROUNDS as usize, "{} assets only", stored.len());
    assert_eq!(fates.values().sum::<usize>(), (ROUNDS * CLIENTS) as usize, "{fates:?}");
    assert!(fates.keys().all(|status| matches!(status, 200 | 404)), "{fates:?}");
}
