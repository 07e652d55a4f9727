# Turns the tables of Markdown, which are too wide for a manual page, into lists: the
# first column is the term, the last one its text, and what is between stands before that,
# by its heading.
BEGIN { FS = " *[|] *" }
!/^[|]/ { row = 0; print; next }
++row == 1 { for (i = 3; i < NF - 1; i++) title[i] = $i " " }
row > 2 {
	text = ""
	for (i = 3; i < NF - 1; i++) if ($i != "none" && $i != "") text = text (title[i] == "type " || $i ~ /^required/ ? "" : title[i]) $i "; "
	printf "**%s**\n: %s%s\n\n", $2, text, $(NF - 1)
}
