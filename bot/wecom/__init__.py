"""WeCom (企业微信), and nothing past this folder knows that it exists."""
