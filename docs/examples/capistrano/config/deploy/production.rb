server 'web1.example.org', user: 'deploy', roles: %w[web]
