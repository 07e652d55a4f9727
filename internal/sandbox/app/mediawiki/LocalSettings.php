<?php
// One release serves many wikis: what belongs to one lies outside, named by the virtual
// host's environment. Nothing is cached but messages and code, so that each answer costs
// the same.
$wgSitename = 'Wiki';
$wgScriptPath = '';
$wgServer = 'http://' . ($_SERVER['HTTP_HOST'] ?? 'wiki.test');
$wgDBtype = 'sqlite';
$wgDBname = 'wiki';
$wgSQLiteDataDir = $_SERVER['WIKI_DATA'];
$wgMainCacheType = CACHE_NONE;
$wgParserCacheType = CACHE_NONE;
$wgMessageCacheType = CACHE_NONE;
$wgMainStash = CACHE_NONE;
$wgReadOnly = 'Nothing writes here, so that no answer waits for the disk.';
$wgLocalisationCacheConf['store'] = 'array';
$wgLocalisationCacheConf['storeDirectory'] = $_SERVER['WIKI_DATA'] . '/l10n';
$wgLocalisationCacheConf['manualRecache'] = true;
$wgInvalidateCacheOnLocalSettingsChange = false;
$wgJobRunRate = 0;
$wgSecretKey = 'of no use to anybody: this wiki is served on loopback and has no users';
$wgDefaultSkin = 'vector';
wfLoadSkin( 'Vector' );
foreach ( [ 'CategoryTree', 'Cite', 'CiteThisPage', 'Gadgets', 'ImageMap', 'InputBox', 'Interwiki', 'Nuke', 'PageImages',
	'ParserFunctions', 'Poem', 'ReplaceText', 'TextExtracts', 'TitleBlacklist', 'WikiEditor' ] as $extension ) {
	wfLoadExtension( $extension );
}
require __DIR__ . '/release-mark.php';
