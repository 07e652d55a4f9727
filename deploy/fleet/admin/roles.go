package admin

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Role is what the role of a fleet's hosts is called in etcd.
func Role(fleet string) string { return "relink-" + fleet }

// Protect has etcd ask everybody for the user that the certificate names: these hosts may read
// and write what is the fleet's, and root, whom only the authority can name, all. It replaces
// no user, and no role but the fleet's own.
func (a *Admin) Protect(ctx context.Context, hosts []string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := a.role(ctx)
	if err == nil {
		err = a.users(ctx, Role(a.fleet), hosts...)
	}
	if err == nil {
		err = a.users(ctx, root, root)
	}
	if err == nil {
		_, err = a.client.AuthEnable(ctx)
	}
	return refused(err, "give hosts the role "+Role(a.fleet))
}

// root is both the user and the role that etcd's access control begins with.
const root = "root"

// role makes the fleet's role what it is meant to be.
func (a *Admin) role(ctx context.Context) error {
	if _, err := a.client.RoleAdd(ctx, Role(a.fleet)); unless(err, rpctypes.ErrRoleAlreadyExist) != nil {
		return err
	}
	there, err := a.client.RoleGet(ctx, Role(a.fleet))
	if err != nil {
		return err
	}
	prefix := "/relink/" + a.fleet + "/"
	end, found := clientv3.GetPrefixRangeEnd(prefix), false
	for _, p := range there.Perm {
		if bytes.Equal(p.Key, []byte(prefix)) && bytes.Equal(p.RangeEnd, []byte(end)) && p.PermType == clientv3.PermReadWrite {
			found = true
		} else if _, err := a.client.RoleRevokePermission(ctx, Role(a.fleet), string(p.Key), string(p.RangeEnd)); err != nil {
			return err
		}
	}
	if !found {
		_, err = a.client.RoleGrantPermission(ctx, Role(a.fleet), prefix, end, clientv3.PermissionType(clientv3.PermReadWrite))
	}
	return err
}

// Permit gives a host the role, where Protect has made that; else etcd asks nobody who he is.
func (a *Admin) Permit(ctx context.Context, hosts ...string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := a.client.RoleGet(ctx, Role(a.fleet))
	if err != nil {
		return refused(unless(err, rpctypes.ErrRoleNotFound), "look at the role "+Role(a.fleet))
	}
	return refused(a.users(ctx, Role(a.fleet), hosts...), "give hosts the role "+Role(a.fleet))
}

// users have a role, and are known by their certificates and by no passwords. What is so
// already is not written: each write has etcd refuse what it is being asked meanwhile.
func (a *Admin) users(ctx context.Context, role string, names ...string) error {
	list, err := a.client.UserList(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := a.user(ctx, name, role, slices.Contains(list.Users, name)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Admin) user(ctx context.Context, name, role string, is bool) error {
	if is {
		there, err := a.client.UserGet(ctx, name)
		if err != nil || slices.Contains(there.Roles, role) {
			return err
		}
	} else if _, err := a.client.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true}); unless(err, rpctypes.ErrUserAlreadyExist) != nil {
		return err
	}
	_, err := a.client.UserGrantRole(ctx, name, role)
	return err
}

// Bar takes the role from a host: whatever certificate it has, it reaches nothing any more.
// barred is false where etcd asks nobody who he is.
func (a *Admin) Bar(ctx context.Context, host string) (barred bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if _, err := a.client.RoleGet(ctx, Role(a.fleet)); err != nil {
		return false, refused(unless(err, rpctypes.ErrRoleNotFound), "look at the role "+Role(a.fleet))
	}
	_, err = a.client.UserRevokeRole(ctx, host, Role(a.fleet))
	return true, refused(unless(err, rpctypes.ErrUserNotFound, rpctypes.ErrRoleNotGranted), "take the role "+Role(a.fleet)+" from "+host)
}
