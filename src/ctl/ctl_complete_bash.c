/* ctl_complete_bash.c - what bash completes. A table of words as help shows them (--out=FOLDER) is all that
 * is generated; the function that reads it is the same for any program. It asks nothing of the package
 * bash-completion, and runs no program. */
#include <string.h>

#include "ctl_help.h"

static const char function[] =
    "_nitro_signer_ctl()\n"
    "{\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} name= shape= at=1 option\n"
    "    local nouns verbs options= operands=\n"
    "    COMPREPLY=()\n"
    "    # Before the verb: --log-format=FORMAT, in one word or in three.\n"
    "    if [[ ${COMP_WORDS[1]} == --log-format* && COMP_CWORD -gt 1 ]]; then\n"
    "        at=2\n"
    "        [[ ${COMP_WORDS[2]} == = ]] && at=4\n"
    "    fi\n"
    "    _nitro_signer_ctl_table \"${COMP_WORDS[at]}\" \"${COMP_WORDS[at+1]}\"\n"
    "    # --name=value is three words for bash, or one where '=' does not break words.\n"
    "    if [[ $word == = ]]; then\n"
    "        name=$before word=\n"
    "    elif [[ $before == = ]]; then\n"
    "        name=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    elif [[ $word == --*=* ]]; then\n"
    "        name=${word%%=*} word=${word#*=}\n"
    "    fi\n"
    "    if [[ -n $name ]]; then\n"
    "        for option in '--log-format=" CTL_LOG_FORMATS "' $options; do\n"
    "            [[ ${option%%=*} == \"$name\" && $option == *=* ]] && shape=${option#*=}\n"
    "        done\n"
    "        _nitro_signer_ctl_value \"$shape\" \"$word\"\n"
    "    elif (( COMP_CWORD <= at && at == 1 || COMP_CWORD == at )); then\n"
    "        COMPREPLY=($(compgen -W \"$nouns --log-format= --help --version\" -- \"$word\"))\n"
    "        [[ ${COMPREPLY[0]} != --log-format= ]] || compopt -o nospace 2>/dev/null\n"
    "    elif [[ -n $verbs && COMP_CWORD -eq $((at + 1)) ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$verbs\" -- \"$word\"))\n"
    "    elif [[ $word == -* ]]; then\n"
    "        for option in $options --help --version; do\n"
    "            shape=${option%%=*}\n"
    "            [[ $option == *=* ]] && shape+==\n"
    "            [[ $shape == \"$word\"* ]] && COMPREPLY+=(\"$shape\")\n"
    "        done\n"
    "        [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null\n"
    "    else\n"
    "        _nitro_signer_ctl_value \"$operands\" \"$word\"\n"
    "    fi\n"
    "}\n"
    "\n"
    "_nitro_signer_ctl_value()\n"
    "{\n"
    "    local line IFS=$'\\n'\n"
    "    case $1 in\n"
    "    FILE*) while read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -f -- \"$2\") ;;\n"
    "    FOLDER) while read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -d -- \"$2\") ;;\n"
    "    *'|'*) IFS='|' read -ra line <<<\"$1\"; COMPREPLY=($(IFS=' '; compgen -W \"${line[*]}\" -- \"$2\")) "
    ";;\n"
    "    esac\n"
    "    case $1 in FILE* | FOLDER) compopt -o filenames 2>/dev/null ;; esac\n"
    "}\n"
    "\n"
    "complete -F _nitro_signer_ctl nitro-signer-ctl\n";

static void see(void *out, const struct option *table, size_t num_options)
{
    for (size_t i = 0; i < num_options; i++) {
        char shape[96];
        options_shape(shape, sizeof shape, &table[i]);
        (void)fprintf(out, "%s%.*s", i ? " " : "", (int)strcspn(shape, " "), shape);
    }
}

/* In single quotes nothing is bash's. */
static void put_case(FILE *out, const struct ctl_verb *verb)
{
    const char *operands = verb->operands == CTL_ONE_FILE || verb->operands == CTL_FILES ? "FILE" : "";
    if (verb->verb)
        (void)fprintf(out, "    '%s %s') operands='%s' options='", verb->noun, verb->verb, operands);
    else
        (void)fprintf(out, "    '%s '*) operands='%s' options='", verb->noun, operands);
    ctl_verb_options(verb, see, out);
    (void)fputs("' ;;\n", out);
}

void ctl_complete_bash(FILE *out)
{
    (void)fputs(
        "# What bash completes for nitro-signer-ctl. Written by nitro-signer-ctl help --format=bash.\n\n"
        "# $1 noun, $2 verb: sets the caller's nouns, verbs, options and operands.\n"
        "_nitro_signer_ctl_table()\n{\n    nouns='",
        out);
    for (size_t i = 0; i < ctl_num_nouns; i++)
        (void)fprintf(out, "%s ", ctl_nouns[i].name);
    (void)fputs("help'\n    case $1 in\n", out);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        const struct ctl_verb *verb = ctl_nouns[i].verbs;
        if (!verb->verb)
            continue;
        (void)fprintf(out, "    %s) verbs='", ctl_nouns[i].name);
        for (; verb->run; verb++)
            (void)fprintf(out, "%s ", verb->verb);
        (void)fputs("--help' ;;\n", out);
    }
    (void)fputs("    help) verbs=$nouns ;;\n    *) verbs= ;;\n    esac\n    case \"$1 $2\" in\n", out);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        for (const struct ctl_verb *verb = ctl_nouns[i].verbs; verb->run; verb++)
            put_case(out, verb);
    }
    (void)fprintf(out, "    esac\n}\n\n%s", function);
}
