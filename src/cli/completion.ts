import type { Command, Option } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Switch {
  /** `-c`, `--config`: short first. */
  readonly names: readonly string[];
  readonly description: string;
  /** What its value can be: one of these, a file, anything; null: it takes none. */
  readonly value: readonly string[] | "file" | "any" | null;
}

interface Place {
  /** `token create`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly switches: readonly Switch[];
  /** Does it take a file as argument, or one of some words? */
  readonly argument: readonly string[] | "file" | null;
}

const fileOptions = new Set(["--config", "--output"]);

const switchOf = ({ short, long, description, argChoices, required, optional }: Option): Switch => ({
  names: [short, long].filter((name) => name !== undefined),
  description,
  value: !(required || optional) ? null : (argChoices ?? (fileOptions.has(long ?? "") ? "file" : "any")),
});

/** The program as a list of places that a command line can be in. */
function placesOf(command: Command, path = ""): readonly Place[] {
  const [argument] = command.registeredArguments;
  const place: Place = {
    path,
    commands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    switches: [...command.options.map(switchOf), { names: ["-h", "--help"], description: "show help", value: null }],
    argument: argument?.argChoices ?? (argument?.name() === "file" ? "file" : null),
  };
  return [place, ...command.commands.flatMap((each) => placesOf(each, `${path} ${each.name()}`.trim()))];
}

/** A script that completes the program's commands, options and their values, made from the program itself. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program);
  const name = program.name();
  switch (shell) {
    case "bash":
      return bash(name, places);
    case "zsh":
      return zsh(name, places);
    case "fish":
      return fish(name, places);
    default:
      return shell satisfies never;
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
/** Shell code that finds where on the command line we are: the words before the cursor that are commands. */
const steps = (places: readonly Place[]): string =>
  places
    .filter(({ path }) => path !== "")
    .map(({ path }) => {
      const words = path.split(" ");
      const step = `${words.slice(0, -1).join(" ")}/${words.at(-1)}`;
      return `${quoted(step)}) place=${quoted(path)} ;;`;
    })
    .join("\n      ");
const valued = (places: readonly Place[]) =>
  places.flatMap(({ path, switches }) =>
    switches.flatMap(({ names, value }) =>
      value === null ? [] : names.map((word) => ({ word: `${path}/${word}`, value })),
    ),
  );

function bash(name: string, places: readonly Place[]): string {
  const fn = `_${name.replace(/\W/g, "_")}`;
  const list = (words: readonly string[]): string =>
    `mapfile -t COMPREPLY < <(compgen -W ${quoted(words.join(" "))} -- "$cur")`;
  const files = 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")';
  const values = valued(places).map(
    ({ word, value }) =>
      `    ${quoted(word)}) ${value === "file" ? files : value === "any" ? ":" : list(value)}; return ;;`,
  );
  const words = places.map(({ path, commands, switches, argument }) => {
    const own = [...commands.map((each) => each.name), ...(Array.isArray(argument) ? argument : [])];
    const rest = argument === "file" ? files : list(own);
    return `    ${quoted(path)}) if [[ $cur == -* ]]; then ${list(switches.flatMap((each) => each.names))}; else ${rest}; fi ;;`;
  });
  return `# ${name} completion for bash. In ~/.bashrc: source <(${name} completion bash)
${fn}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} place='' word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$place/$word" in
      ${steps(places)}
    esac
  done
  case "$place/$prev" in
${values.join("\n")}
  esac
  case "$place" in
${words.join("\n")}
  esac
}
complete -F ${fn} ${name}
`;
}

function zsh(name: string, places: readonly Place[]): string {
  const fn = `_${name.replace(/\W/g, "_")}`;
  const described = (word: string, description: string): string =>
    quoted(`${word.replaceAll(":", "\\:")}:${description}`);
  const values = valued(places).map(
    ({ word, value }) =>
      `    ${quoted(word)}) ${value === "file" ? "_files" : value === "any" ? ":" : `compadd -- ${value.map(quoted).join(" ")}`}; return ;;`,
  );
  const words = places.map(({ path, commands, switches, argument }) => {
    const options = switches.flatMap(({ names, description }) => names.map((word) => described(word, description)));
    const rest =
      commands.length > 0
        ? `found=(${commands.map((each) => described(each.name, each.description)).join(" ")}); _describe -t commands command found`
        : argument === "file"
          ? "_files"
          : argument === null
            ? ":"
            : `compadd -- ${argument.map(quoted).join(" ")}`;
    return `    ${quoted(path)}) if [[ $words[CURRENT] == -* ]]; then found=(${options.join(" ")}); _describe -t options option found; else ${rest}; fi ;;`;
  });
  return `#compdef ${name}
# ${name} completion for zsh. In ~/.zshrc, after compinit: source <(${name} completion zsh)
${fn}() {
  local place='' word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place/$word" in
      ${steps(places)}
    esac
  done
  case "$place/$words[CURRENT-1]" in
${values.join("\n")}
  esac
  case "$place" in
${words.join("\n")}
  esac
}
if [ "$funcstack[1]" = ${fn} ]; then ${fn} "$@"; else compdef ${fn} ${name}; fi
`;
}

function fish(name: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, commands, switches, argument }) => {
    const at = path === "" ? "__fish_use_subcommand" : conditionOf(path, places);
    return [
      ...commands.map(
        (each) => `complete -c ${name} -n ${quoted(at)} -a ${each.name} -d ${fishQuoted(each.description)}`,
      ),
      ...switches.map(({ names, description, value }) => {
        const flags = names.map((word) => (word.startsWith("--") ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`));
        const takes =
          value === null
            ? ""
            : value === "file"
              ? " -r -F"
              : value === "any"
                ? " -x"
                : ` -x -a ${quoted(value.join(" "))}`;
        return `complete -c ${name} -n ${quoted(at)} ${flags.join(" ")}${takes} -d ${fishQuoted(description)}`;
      }),
      ...(argument === null
        ? []
        : [`complete -c ${name} -n ${quoted(at)} ${argument === "file" ? "-F" : `-a ${quoted(argument.join(" "))}`}`]),
    ];
  });
  return `# ${name} completion for fish. In ~/.config/fish/completions/${name}.fish: ${name} completion fish | source
complete -c ${name} -f
${lines.join("\n")}
`;
}

/** Inside single quotes fish knows two escapes only. */
const fishQuoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function conditionOf(path: string, places: readonly Place[]): string {
  const seen = path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
  const below = places.find((place) => place.path === path)?.commands.map((each) => each.name) ?? [];
  return [...seen, ...(below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(" ")}`])].join(
    "; and ",
  );
}
