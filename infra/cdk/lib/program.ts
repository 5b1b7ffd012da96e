/** The programs of functions, as `cargo lambda build` leaves them. */
import { existsSync, openSync, readSync, closeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Architecture, Code } from 'aws-cdk-lib/aws-lambda';

/** A function, by the package of its program. */
export type Program = 'pool' | 'courier' | 'links' | 'session-release';

/** Where programs are: a folder with `<program>/bootstrap`, or what gives each its code. */
export type Programs = string | ((program: Program) => Code);

/** `e_machine` of ELF: which processor a program is for. */
const MACHINES: Readonly<Record<number, Architecture>> = { 0x3e: Architecture.X86_64, 0xb7: Architecture.ARM_64 };

export function codeOf(program: Program, programs: Programs | undefined, architecture: Architecture): Code {
  if (typeof programs === 'function') return programs(program);
  const folder = programs ?? join(process.env['CARGO_TARGET_DIR'] ?? 'target', 'lambda');
  const here = resolve(folder, program);
  const bootstrap = join(here, 'bootstrap');
  if (existsSync(bootstrap)) {
    const machine = machineOf(bootstrap);
    if (machine !== undefined && machine !== architecture) {
      throw new Error(
        `${bootstrap} is a program for ${machine.name}, and the function is to be ${architecture.name}; ${build(program, architecture)}, or set functionProps.architecture`,
      );
    }
    return Code.fromAsset(here, { exclude: ['*', '!bootstrap'] });
  }
  const zip = join(here, 'bootstrap.zip');
  if (existsSync(zip)) return Code.fromAsset(zip);
  throw new Error(
    `there is no program ${bootstrap}; ${build(program, architecture)}, or say with \`code\` where programs are`,
  );
}

function build(program: Program, architecture: Architecture): string {
  const flag = architecture === Architecture.ARM_64 ? '--arm64' : '--x86-64';
  return `build it in the clone of cognito-triggers: cargo lambda build --release ${flag} --package ${program}`;
}

/** What processor a program is for; `undefined` if it is none of Linux, e.g. a script. */
function machineOf(file: string): Architecture | undefined {
  const head = Buffer.alloc(20);
  const opened = openSync(file, 'r');
  try {
    readSync(opened, head, 0, head.length, 0);
  } finally {
    closeSync(opened);
  }
  return head.toString('latin1', 0, 4) === '\x7fELF' ? MACHINES[head.readUInt16LE(18)] : undefined;
}
