/** The layer with the configuration: `triggers.toml`, and templates and files beside it, at /opt/triggers of every function. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, isAbsolute, join, normalize } from 'node:path';
import { Annotations } from 'aws-cdk-lib';
import { Architecture, Code, LayerVersion, Runtime } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Configuration } from './configuration';

export interface Content {
  readonly configuration: Configuration;
  /** A folder of templates, `templates/` beside the file. */
  readonly templates?: string;
  /** Other folders beside the file, by their names there. */
  readonly folders?: Readonly<Record<string, string>>;
  /** `cargo local`, or wherever the program `local` is. */
  readonly packager?: readonly string[];
  /** Variables that name services, so that the packager sees them named. */
  readonly services: Readonly<Record<string, string>>;
}

export function layerOf(scope: Construct, id: string, content: Content): LayerVersion {
  const work = mkdtempSync(join(tmpdir(), 'cognito-triggers-'));
  try {
    const plain = join(work, 'plain', 'triggers');
    mkdirSync(plain, { recursive: true });
    writeFileSync(join(plain, 'triggers.toml'), content.configuration.toml());
    for (const [name, folder] of Object.entries({
      ...(content.templates === undefined ? {} : { templates: content.templates }),
      ...content.folders,
    })) {
      const within = normalize(name);
      if (isAbsolute(within) || within.startsWith('..'))
        throw new Error(`\`${name}\` is no place beside triggers.toml; write e.g. \`provision\``);
      if (!existsSync(folder) || !statSync(folder).isDirectory())
        throw new Error(`there is no folder ${folder} for \`${name}\` beside triggers.toml`);
      cpSync(folder, join(plain, within), { recursive: true });
    }
    const packaged =
      content.packager === undefined
        ? join(work, 'plain')
        : pack(content.packager, plain, join(work, 'packaged'), content.services);
    if (content.packager === undefined) warnOfStyles(scope, plain);
    return new LayerVersion(scope, id, {
      description: 'triggers.toml and templates',
      code: Code.fromAsset(packaged, { exclude: ['.cognito-triggers-package'] }),
      compatibleRuntimes: [Runtime.PROVIDED_AL2023],
      compatibleArchitectures: [Architecture.ARM_64, Architecture.X86_64],
    });
  } finally {
    // It was staged into cdk.out when the layer was made.
    rmSync(work, { recursive: true, force: true });
  }
}

/** Has the configuration and its templates checked, as the functions would at their start, and CSS put into elements. */
function pack(
  packager: readonly string[],
  plain: string,
  to: string,
  services: Readonly<Record<string, string>>,
): string {
  const [program, ...before] = packager;
  if (program === undefined) throw new Error("`packager` names no program; write e.g. ['cargo', 'local']");
  const done = spawnSync(program, [...before, 'package', join(plain, 'triggers.toml'), '--to', to], {
    encoding: 'utf8',
    env: { ...process.env, ...services },
  });
  if (done.error !== undefined)
    throw new Error(
      `\`${packager.join(' ')}\` cannot be run: ${done.error.message}; build it with \`cargo build --package cognito-triggers-local\``,
    );
  if (done.status !== 0) {
    const said = `${done.stderr}${done.stdout}`.replaceAll(`${plain}/`, '').trim();
    throw new Error(`\`${packager.join(' ')} package\` refuses the configuration:\n${said}`);
  }
  return to;
}

/** Many mail programs pass over style sheets. */
function warnOfStyles(scope: Construct, folder: string): void {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'));
  const styled = pages.find((page) => /<style\b/i.test(readFileSync(join(folder, page), 'utf8')));
  if (styled !== undefined) {
    Annotations.of(scope).addWarningV2(
      'cognito-triggers:styles',
      `${basename(styled)} has a style sheet, which many mail programs pass over: have it put into its elements with \`packager\``,
    );
  }
}
