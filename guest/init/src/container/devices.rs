//! Device nodes of a container, and its device rules as an eBPF program. Pure.

use ironkit_contract::oci::{Device, DeviceRule};
use ironkit_sys::bpf::Instruction;

use crate::error::{Error, Result};

/// Nodes that every container has: path and numbers; all are character devices for everyone.
const NODES: [(&str, i64, i64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// Rules that every container has after its own, as runc: making any node, and using the harmless ones.
const RULES: [(&str, Option<i64>, Option<i64>, &str); 10] = [
    ("c", None, None, "m"),
    ("b", None, None, "m"),
    ("c", Some(1), Some(3), "rwm"),
    ("c", Some(1), Some(8), "rwm"),
    ("c", Some(1), Some(7), "rwm"),
    ("c", Some(5), Some(0), "rwm"),
    ("c", Some(1), Some(5), "rwm"),
    ("c", Some(1), Some(9), "rwm"),
    ("c", Some(136), None, "rwm"),
    ("c", Some(5), Some(2), "rwm"),
];

/// The nodes to make: the usual ones, then those of the configuration.
pub fn nodes(own: &[Device]) -> Vec<Device> {
    let usual = NODES
        .iter()
        .filter(|(path, _, _)| !own.iter().any(|device| device.path == *path));
    let usual = usual.map(|(path, major, minor)| Device {
        path: (*path).to_owned(),
        kind: "c".to_owned(),
        major: *major,
        minor: *minor,
        file_mode: Some(0o666),
        ..Device::default()
    });
    usual.chain(own.iter().cloned()).collect()
}

// Access bits of `linux/bpf.h`: BPF_DEVCG_ACC_MKNOD, _READ, _WRITE.
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
// BPF_DEVCG_DEV_BLOCK, _CHAR.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;

/// A rule with all that is left open made plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    allow: bool,
    kind: Option<i32>,
    major: Option<i32>,
    minor: Option<i32>,
    access: i32,
}

/// The program that answers for a device and a set of accesses; `None` when everything is allowed.
///
/// Of several rules that speak of an access, the last one counts; where none does, it is denied. So the program
/// walks from the last rule to the first and strikes out the accesses that are allowed, until none is left.
///
/// # Errors
/// [`Error::Invalid`] for a rule with an unknown type, access or number.
pub fn program(own: &[DeviceRule]) -> Result<Option<Vec<Instruction>>> {
    let mut rules = own.iter().map(rule).collect::<Result<Vec<_>>>()?;
    let everything = rules.last().is_some_and(|last| {
        *last
            == Rule {
                allow: true,
                ..ANYTHING
            }
    });
    if everything {
        return Ok(None);
    }
    for (kind, major, minor, access) in RULES {
        let default = DeviceRule {
            allow: true,
            kind: kind.to_owned(),
            major,
            minor,
            access: access.to_owned(),
        };
        rules.push(rule(&default)?);
    }
    Ok(Some(assemble(&rules)))
}

const ANYTHING: Rule = Rule {
    allow: false,
    kind: None,
    major: None,
    minor: None,
    access: MKNOD | READ | WRITE,
};

fn rule(source: &DeviceRule) -> Result<Rule> {
    let wrong = |what: &str, value: &str| Error::Invalid(format!("device rule: unknown {what} {value}"));
    let kind = match source.kind.as_str() {
        "" | "a" => None,
        "c" | "u" => Some(CHAR),
        "b" => Some(BLOCK),
        other => return Err(wrong("type", other)),
    };
    let number = |value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => i32::try_from(value)
            .map(Some)
            .map_err(|_| wrong("number", &value.to_string())),
    };
    let mut access = 0;
    for letter in source.access.chars() {
        access |= match letter {
            'm' => MKNOD,
            'r' => READ,
            'w' => WRITE,
            other => return Err(wrong("access", &other.to_string())),
        };
    }
    // `a` is all of everything, whatever else the rule says.
    if kind.is_none()
        && source.major.is_none_or(|major| major < 0)
        && source.minor.is_none_or(|minor| minor < 0)
    {
        access = ANYTHING.access;
    }
    Ok(Rule {
        allow: source.allow,
        kind,
        major: number(source.major)?,
        minor: number(source.minor)?,
        access,
    })
}

// Operations of `linux/bpf.h` that the program is made of.
const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const JUMP_IF_NOT: u8 = 0x55;
const JUMP_IF: u8 = 0x15;
const EXIT: u8 = 0x95;
// Registers: the kind, the accesses that are left, major, minor, and one to try on.
const KIND: u8 = 2;
const LEFT: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const TRY: u8 = 6;

fn assemble(rules: &[Rule]) -> Vec<Instruction> {
    // `struct bpf_cgroup_dev_ctx`: access_type (accesses above the 16 bits of the kind), major, minor; register 1
    // points to it.
    let mut code = vec![
        load(KIND, 0),
        op(MOVE_REGISTER, LEFT | KIND << 4, 0, 0),
        op(AND, KIND, 0, 0xffff),
        op(SHIFT_RIGHT, LEFT, 0, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in rules.iter().rev() {
        let body = if rule.allow {
            allow(rule.access)
        } else {
            deny(rule.access)
        };
        let tests = [(KIND, rule.kind), (MAJOR, rule.major), (MINOR, rule.minor)];
        let tests: Vec<_> = tests
            .into_iter()
            .filter_map(|(register, value)| value.map(|value| (register, value)))
            .collect();
        for (place, (register, value)) in tests.iter().enumerate() {
            let skip = tests.len() - place - 1 + body.len();
            code.push(op(
                JUMP_IF_NOT,
                *register,
                i16::try_from(skip).unwrap_or_default(),
                *value,
            ));
        }
        code.extend(body);
    }
    code.extend(answer(0));
    code
}

/// Strikes out accesses; when none is left, the device may be used.
fn allow(access: i32) -> Vec<Instruction> {
    let mut code = vec![op(AND, LEFT, 0, !access), op(JUMP_IF_NOT, LEFT, 2, 0)];
    code.extend(answer(1));
    code
}

/// Denies when any of the accesses is still left.
fn deny(access: i32) -> Vec<Instruction> {
    let mut code = vec![
        op(MOVE_REGISTER, TRY | LEFT << 4, 0, 0),
        op(AND, TRY, 0, access),
        op(JUMP_IF, TRY, 2, 0),
    ];
    code.extend(answer(0));
    code
}

fn answer(value: i32) -> [Instruction; 2] {
    [op(MOVE, 0, 0, value), op(EXIT, 0, 0, 0)]
}

fn load(register: u8, offset: i16) -> Instruction {
    op(LOAD_WORD, register | 1 << 4, offset, 0)
}

fn op(code: u8, registers: u8, offset: i16, constant: i32) -> Instruction {
    Instruction {
        code,
        registers,
        offset,
        constant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel would.
    fn run(code: &[Instruction], context: [u32; 3]) -> u32 {
        let mut registers = [0_u32; 11];
        let mut at = 0;
        loop {
            let Instruction {
                code,
                registers: named,
                offset,
                constant,
            } = code[at];
            let (to, from) = (usize::from(named & 15), usize::from(named >> 4));
            let constant = constant.cast_unsigned();
            at += 1;
            let mut jump = |wanted: bool| {
                at += if wanted {
                    usize::try_from(offset).unwrap()
                } else {
                    0
                }
            };
            match code {
                LOAD_WORD => registers[to] = context[usize::try_from(offset / 4).unwrap()],
                AND => registers[to] &= constant,
                SHIFT_RIGHT => registers[to] >>= constant,
                MOVE => registers[to] = constant,
                MOVE_REGISTER => registers[to] = registers[from],
                JUMP_IF_NOT => jump(registers[to] != constant),
                JUMP_IF => jump(registers[to] == constant),
                EXIT => return registers[0],
                other => panic!("operation {other:#x}"),
            }
        }
    }

    fn text_rule(text: &str) -> DeviceRule {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |word: &str| word.parse().ok();
        DeviceRule {
            allow: words[0] == "allow",
            kind: words[1].to_owned(),
            major: number(words[2]),
            minor: number(words[3]),
            access: words[4].to_owned(),
        }
    }

    /// Rules, the kind and numbers of a device, accesses, and the answer.
    type Case<'a> = (&'a [&'a str], i32, u32, u32, i32, u32);

    #[test]
    fn the_last_rule_that_speaks_of_an_access_counts() {
        let cases: &[Case<'_>] = &[
            (&[], CHAR, 1, 3, READ | WRITE, 1),
            (&[], CHAR, 4, 64, READ, 0),
            (&[], BLOCK, 8, 0, MKNOD, 1),
            (&[], BLOCK, 8, 0, MKNOD | READ, 0),
            (&["allow b 8 * rw"], BLOCK, 8, 1, READ | WRITE, 1),
            (&["allow b 8 * rw"], BLOCK, 8, 1, READ | WRITE | MKNOD, 1),
            (&["allow b 8 * rw"], CHAR, 8, 1, READ, 0),
            (&["allow b 8 0 rwm"], BLOCK, 8, 1, READ, 0),
            (&["allow b 8 0 r", "allow b 8 0 w"], BLOCK, 8, 0, READ | WRITE, 1),
            (&["allow a * * rwm", "deny b 8 * w"], BLOCK, 8, 0, READ, 1),
            (&["allow a * * rwm", "deny b 8 * w"], BLOCK, 8, 0, READ | WRITE, 0),
            (&["allow b 8 * rwm", "deny a * * rwm"], BLOCK, 8, 0, READ, 0),
            (&["deny a * * rwm"], CHAR, 1, 3, READ, 1),
        ];
        for (rules, kind, major, minor, access, expect) in cases {
            let own: Vec<_> = rules.iter().map(|text| text_rule(text)).collect();
            let code = program(&own).unwrap().unwrap();
            let context = [(kind | access << 16).cast_unsigned(), *major, *minor];
            assert_eq!(
                run(&code, context),
                *expect,
                "{rules:?} {kind} {major}:{minor} {access}"
            );
        }
    }

    #[test]
    fn everything_needs_no_program_and_nonsense_is_refused() {
        assert_eq!(program(&[text_rule("allow a * * rwm")]).unwrap(), None);
        for text in ["allow x 1 3 rwm", "allow c 1 3 q", "allow c 99999999999 3 r"] {
            assert!(program(&[text_rule(text)]).is_err(), "{text}");
        }
    }
}
