# Translate the part of #cloud-config that tiny knows into a shell script: hostname, fqdn, password, chpasswd.list,
# bootcmd, runcmd, write_files. (Public keys are found by /usr/lib/tiny/authorize.)

function quote(text) { gsub(/'/, "'\\''", text); return "'" text "'" }

function plain(text) { # a YAML scalar without its quotes or comment
    if (text ~ /^'.*'$/) { text = substr(text, 2, length(text) - 2); gsub(/''/, "'", text); return text }
    if (text ~ /^".*"$/) {
        text = substr(text, 2, length(text) - 2)
        gsub(/\\"/, "\"", text); gsub(/\\n/, "\n", text); gsub(/\\\\/, "\\", text)
        return text
    }
    sub(/ +#.*$/, "", text)
    return text
}

function words(text,    out, c, i, word, mark, open) { # the items of [a, "b c", 'd'] as quoted words
    text = substr(text, 2, length(text) - 2)
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (mark != "" ? c == mark : c == "\"" || c == "'") { mark = mark == "" ? c : ""; open = 1 }
        else if (c == "," && mark == "") { out = out " " quote(word); word = ""; open = 0 }
        else if (c != " " || mark != "" || (word != "" && !open)) word = word c
    }
    return out " " quote(word)
}

function command(text) {
    if (text == "") return
    commands = commands (text ~ /^\[.*\]$/ ? words(text) : "sh -c " quote(plain(text))) "\n"
}

function finish_file() {
    if (file["path"] == "") return
    printf "mkdir -p \"$(dirname %s)\"\n", quote(file["path"])
    printf "printf %%s %s %s %s %s\n", quote(file["content"]),
        (file["encoding"] ~ /^(b64|base64)$/ ? "| base64 -d" : ""), (file["append"] ~ /^[Tt]rue$/ ? ">>" : ">"), quote(file["path"])
    if (file["permissions"] != "") printf "chmod %s %s\n", quote(file["permissions"]), quote(file["path"])
    if (file["owner"] != "") printf "chown %s %s\n", quote(file["owner"]), quote(file["path"])
    delete file
}

function value(key, text) { # one "key: value" or list item of the section we are in
    if (section == "write_files") file[key] = text
    else if (section == "chpasswd" && key == "list") { sub(/\n+$/, "", text); passwords = passwords text "\n" }
}

function end_block(    text) {
    if (!in_block) return
    in_block = 0
    text = block
    if (chomp) sub(/\n+$/, "", text); else sub(/\n+$/, "\n", text)
    if (block_key == "-") commands = commands "sh -c " quote(text) "\n"
    else value(block_key, text)
}

function begin_block(key, parent, style) {
    in_block = 1; block = ""; block_key = key; block_parent = parent; block_indent = -1; chomp = style ~ /-/
}

BEGIN { print "#!/bin/sh" }

{
    sub(/\r$/, "")
    indent = match($0, /[^ ]/) - 1
    if (in_block) {
        if (indent < 0) { block = block "\n"; next }
        if (indent > block_parent) {
            if (block_indent < 0) block_indent = indent
            block = block substr($0, block_indent + 1) "\n"
            next
        }
        end_block()
    }
    if (indent < 0 || $0 ~ /^ *#/) next
    line = substr($0, indent + 1)
}

indent == 0 && line ~ /^[A-Za-z_]+:/ {
    finish_file()
    section = substr(line, 1, index(line, ":") - 1)
    rest = substr(line, index(line, ":") + 1); sub(/^ +/, "", rest)
    if (section ~ /^(hostname|fqdn)$/ && rest != "") { name = plain(rest); sub(/\..*/, "", name); print "hostname " quote(name) }
    if (section == "password") passwords = passwords "tiny:" plain(rest) "\n"
    next
}

section ~ /^(runcmd|bootcmd)$/ && line ~ /^- / {
    text = substr(line, 3); sub(/^ +/, "", text)
    if (text ~ /^[|>][-+0-9]*$/) begin_block("-", indent, text); else command(text)
    next
}

section == "write_files" || section == "chpasswd" {
    if (line ~ /^- /) {
        finish_file()
        match(line, /^- +/)
        indent += RLENGTH; line = substr(line, RLENGTH + 1)
    }
    colon = index(line, ":")
    if (!colon) next
    key = substr(line, 1, colon - 1)
    text = substr(line, colon + 1); sub(/^ +/, "", text)
    if (text ~ /^[|>][-+0-9]*$/) begin_block(key, indent, text); else value(key, plain(text))
}

END {
    end_block()
    finish_file()
    if (passwords != "") printf "printf %%s %s | chpasswd\n", quote(passwords)
    printf "%s", commands
}
