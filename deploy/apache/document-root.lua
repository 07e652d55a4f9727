-- relink: makes the document root of Apache the one of the release that a
-- request is served from. PHP inside Apache (mod_php) takes DOCUMENT_ROOT from
-- there and from nowhere else; of Apache's modules only mod_lua and
-- mod_vhost_alias can set it for a single request.
local function set(r)
	local release, root = r.subprocess_env["RELINK_RELEASE"], r.context_document_root
	if release and root and (root .. "/"):find("/" .. release .. "/", 1, true) then
		root = root:gsub("/+$", "")
		r:set_document_root(root)
		r:set_context_info((r.context_prefix:gsub("/+$", "")), root)
	end
end

-- Before .htaccess files are read, which may name the document root.
function at_root(r)
	if r.context_prefix == "/" then
		set(r)
	end
	return apache2.DECLINED
end

-- After them: of a path below the document root mod_rewrite would make a URL
-- without the prefix.
function below_prefix(r)
	if r.context_prefix ~= "/" then
		set(r)
	end
	return apache2.DECLINED
end
