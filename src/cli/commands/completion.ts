import { Argument, type Command, type Option } from "commander";
import type { Cli } from "../command.ts";

const help = `
Examples:
  source <(rollcall completion bash)        in ~/.bashrc
  source <(rollcall completion zsh)         in ~/.zshrc, after compinit
  rollcall completion fish > ~/.config/fish/completions/rollcall.fish`;

/**
 * One script for each shell. Each asks the program itself: `rollcall complete -- WORDS` prints one suggestion per line, a
 * tab and its description; a single ":files" means file names.
 */
const scripts: Readonly<Record<string, string>> = {
  bash: `_rollcall() {
  local found
  found=$("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ $found == :files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(cut -f 1 <<< "$found")" -- "\${COMP_WORDS[COMP_CWORD]}")
  fi
}
complete -F _rollcall rollcall`,
  zsh: `#compdef rollcall
_rollcall() {
  local -a found
  found=("\${(@f)$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $found[1] == :files ]]; then
    _files
  elif [[ -n $found[1] ]]; then
    found=("\${(@)found//:/\\\\:}")
    found=("\${(@)found/$'\\t'/:}")
    _describe rollcall found
  fi
}
if [ "$funcstack[1]" = _rollcall ]; then _rollcall "$@"; else compdef _rollcall rollcall; fi`,
  fish: `function __rollcall
  set -l words (commandline -opc) (commandline -ct)
  set -l found ($words[1] complete -- $words[2..-1] 2>/dev/null)
  if test "$found" = :files
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c rollcall -f -a '(__rollcall)'`,
};

export function addCompletion({ program, group, write }: Cli): void {
  group("completion", "a script that completes rollcall's commands and options in a shell", help)
    .addArgument(new Argument("<shell>", "which shell").choices(Object.keys(scripts)))
    .exitOverride()
    .action((shell: string) => write(scripts[shell] ?? ""));
  program
    .command("complete [words...]", { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action((words: readonly string[]) => write(suggestions(program, words).join("\n")));
}

const fileOptions = ["--config", "--output"];

/** Returns what can stand at the last of these words, which is being typed. */
function suggestions(program: Command, words: readonly string[]): readonly string[] {
  const before = words.slice(0, -1);
  const typed = words.at(-1) ?? "";
  const command = before.reduce((at, word) => at.commands.find((each) => each.name() === word) ?? at, program);
  const option = command.options.find(
    ({ short, long, required, optional }) =>
      [short, long].includes(before.at(-1)) && before.length > 0 && (required || optional),
  );
  if (option !== undefined) return valuesOf(option);
  const [argument] = command.registeredArguments;
  const all = typed.startsWith("-")
    ? command
        .createHelp()
        .visibleOptions(command)
        .flatMap(({ short, long, description }) =>
          [short, long].flatMap((name) => (name === undefined ? [] : [`${name}\t${description}`])),
        )
    : argument?.name() === "file"
      ? [":files"]
      : [
          ...command
            .createHelp()
            .visibleCommands(command)
            .filter((each) => each.name() !== "help")
            .map((each) => `${each.name()}\t${each.description()}`),
          ...(argument?.argChoices ?? []),
        ];
  return all.filter((line) => line.startsWith(typed) || line === ":files");
}

const valuesOf = ({ long, argChoices }: Option): readonly string[] =>
  argChoices ?? (fileOptions.includes(long ?? "") ? [":files"] : []);
